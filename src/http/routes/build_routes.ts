/** Engines that are built behind the service, and models that are read again. */
import type { BuildStatus } from "../../serving/engine/build_messages.ts";
import { servedModel } from "./detect_routes.ts";
import type { AppContext, Served } from "../service.ts";

/** Events come no closer together; the last state always comes. */
const EVENT_MS = 250;
/** A comment keeps proxies from closing a stream in which nothing happens. */
const KEEP_ALIVE_MS = 15_000;

const FINAL: readonly BuildStatus["state"][] = ["none", "done", "failed", "cancelled"];

/** `GET /v1/models/NAME/build`: the state as JSON, or every change of it as server-sent events until its end. */
export function buildHandler(served: Served): (c: AppContext) => Response {
  return (c) => {
    const model = servedModel(served, c.req.param("name")!);
    if (!c.req.header("accept")?.includes("text/event-stream")) return c.json(served.builds.status(model));
    return new Response(eventsOf(served, model, c.var.gone), { headers: { "Content-Type": "text/event-stream" } });
  };
}

/** `DELETE /v1/models/NAME/build` */
export function cancelBuildHandler(served: Served): (c: AppContext) => Response {
  return (c) => {
    const model = servedModel(served, c.req.param("name")!);
    served.builds.cancel(model);
    return c.json(served.builds.status(model));
  };
}

/** `POST /v1/models/NAME/reload`: answered when the new worker has taken over. */
export function reloadHandler(served: Served): (c: AppContext) => Promise<Response> {
  return async (c) => {
    const model = servedModel(served, c.req.param("name")!);
    await served.reload(model);
    const backend = served.service.models.find(({ name }) => name === model)?.backend ?? null;
    return c.json({ model, backend });
  };
}

function eventsOf({ builds }: Served, model: string, gone: AbortSignal): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let end: () => void = () => {};
  let cancelled = false;
  return new ReadableStream({
    start(controller) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      let ended = false;
      const send = () => {
        timer = undefined;
        if (ended) return;
        const status = builds.status(model);
        controller.enqueue(encoder.encode(`event: build\ndata: ${JSON.stringify(status)}\n\n`));
        if (FINAL.includes(status.state) || builds.closed) end();
      };
      const unwatch = builds.watch(model, () => {
        if (builds.closed || FINAL.includes(builds.status(model).state)) {
          clearTimeout(timer);
          send();
        } else timer ??= setTimeout(send, EVENT_MS);
      });
      const keepAlive = setInterval(() => controller.enqueue(encoder.encode(": \n\n")), KEEP_ALIVE_MS);
      end = () => {
        if (ended) return;
        ended = true;
        clearTimeout(timer);
        clearInterval(keepAlive);
        unwatch();
        gone.removeEventListener("abort", end);
        if (!cancelled) controller.close();
      };
      gone.addEventListener("abort", end, { once: true });
      send();
    },
    cancel() {
      cancelled = true;
      end();
    },
  });
}
