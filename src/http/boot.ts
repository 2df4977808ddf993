/** What answers before the application is there: the process lives, and is not ready. */
import { TrtdError } from "../errors.ts";
import { problemResponse } from "./problem.ts";
import { requestIdFrom } from "./request/request_id.ts";
import type { EarlyRefusal } from "./early_refusal.ts";
import type { AppEnv } from "./service.ts";

type Answer = (request: Request, env: AppEnv["Bindings"]) => Response | Promise<Response>;

/** Answers for an application that is made while the server listens. */
export class Boot {
  #app: Answer | undefined;
  #early: EarlyRefusal | undefined;

  /** From now on the application answers what is not refused before. */
  open(app: Answer, early: EarlyRefusal): void {
    this.#app = app;
    this.#early = early;
  }

  readonly early: EarlyRefusal = (incoming) => this.#early?.(incoming) ?? null;

  answer(request: Request, env: AppEnv["Bindings"]): Response | Promise<Response> {
    if (this.#app !== undefined) return this.#app(request, env);
    if (request.method === "GET" && new URL(request.url).pathname === "/health/live") {
      return Response.json({ status: "live" }, { headers: { "Cache-Control": "no-store" } });
    }
    const error = new TrtdError("MODEL_NOT_READY", "The models are being looked up or fetched", { retryAfterS: 1 });
    return problemResponse(error, requestIdFrom(request.headers.get("x-request-id") ?? undefined));
  }
}
