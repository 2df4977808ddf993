/** `/openapi.json`, and `/docs`: Swagger UI from its own package, without a network. */
import { join } from "node:path";
import { TrtdError } from "../../errors.ts";
import type { AppContext } from "../service.ts";

/** Files of swagger-ui-dist that the page needs; a compiled trtd must hold them. */
export const DOCS_FILES: Readonly<Record<string, string>> = {
  "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
  "swagger-ui.css": "text/css; charset=utf-8",
};

const START_FILE = "start.js";

const START = `SwaggerUIBundle({ url: "/openapi.json", dom_id: "#docs", deepLinking: true, validatorUrl: null });\n`;

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>trtd: HTTP interface</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="docs"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/${START_FILE}"></script>
</body>
</html>
`;

/** Nothing from elsewhere; Swagger UI writes styles into elements and draws with data addresses. */
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; " +
  "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** `GET /openapi.json`, made when it is first asked for. */
export function openApiHandler(): (c: AppContext) => Promise<Response> {
  let text: Promise<string> | undefined;
  return async () => {
    text ??= import("../openapi/openapi.ts").then(({ openApiDocument }) => JSON.stringify(openApiDocument()));
    return new Response(await text, { headers: { "Content-Type": "application/json" } });
  };
}

/** `GET /docs` */
export function docsHandler(): (c: AppContext) => Response {
  return () =>
    new Response(PAGE, {
      headers: { "Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": POLICY },
    });
}

/** `GET /docs/FILE` */
export function docsFileHandler(): (c: AppContext) => Promise<Response> {
  return async (c) => {
    const file = c.req.param("file") ?? "";
    if (file === START_FILE) return fileResponse(START, "text/javascript; charset=utf-8");
    const type = Object.hasOwn(DOCS_FILES, file) ? DOCS_FILES[file] : undefined;
    if (type === undefined) throw new TrtdError("ROUTE_NOT_FOUND", `There is no route "${c.req.path.slice(0, 200)}"`);
    return fileResponse(await Deno.readFile(join(await docsFolder(), file)), type);
  };
}

function fileResponse(body: string | Uint8Array<ArrayBuffer>, type: string): Response {
  return new Response(body, { headers: { "Content-Type": type, "Cache-Control": "max-age=3600" } });
}

async function docsFolder(): Promise<string> {
  const { default: absolutePath } = await import("swagger-ui-dist/absolute-path.js");
  return absolutePath();
}
