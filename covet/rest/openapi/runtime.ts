/** What goes out with every request. */
export interface ClientOptions {
  /** Where the API is, such as "https://api.example.com"; the page's own site when left out. */
  baseUrl?: string;
  /** Called in place of the global fetch, such as one that tries again. */
  fetch?: (input: string, init: RequestInit) => Promise<Response>;
  /** A token for the Authorization header, or what gives one. */
  token?: string | (() => string | null | undefined | Promise<string | null | undefined>);
  /** The scheme of the token; "Bearer" when left out. */
  tokenScheme?: string;
  /** Whether cookies go along; "same-origin" when left out. */
  credentials?: RequestCredentials;
  /** The CSRF token of a session, or what gives it; read from the page's cookie when left out. */
  csrfToken?: string | (() => string | null | undefined);
  /** Headers of every request, such as a key of the API, or a Cookie where there is no browser. */
  headers?: Record<string, string>;
}

/** What may be said of one request. */
export interface RequestOptions {
  /** Ends the request. */
  signal?: AbortSignal;
  /** Headers beside those of the client. */
  headers?: Record<string, string>;
  /** Called with the answer before it is read, for what stands in its headers: ETag, Link, RateLimit. Leave its body alone. */
  onResponse?: (response: Response) => void;
}

/** An answer that is no success; `problem` is what the server says of it (RFC 9457). */
export class ApiError<Status extends number = number> extends Error {
  override readonly name = "ApiError";

  constructor(
    readonly status: Status,
    readonly problem: Problem | null,
    readonly response: Response,
  ) {
    super(problem?.detail ?? problem?.title ?? `The server answered ${status}.`);
  }

  /** What is wrong with one value: by its pointer into the body, its parameter or its header. */
  of(place: string): string | undefined {
    const same = (error: { pointer?: string; parameter?: string; header?: string }) =>
      error.pointer === place || error.parameter === place || error.header?.toLowerCase() === place.toLowerCase();
    return this.problem?.errors?.find(same)?.detail;
  }
}

/** Whether something that was thrown is an answer of the API, of one of these statuses where any are named. */
export function isApiError<Status extends number = number>(
  error: unknown,
  ...statuses: Status[]
): error is ApiError<Status> {
  return error instanceof ApiError && (statuses.length === 0 || statuses.includes(error.status as Status));
}

/** One event that the server sent. */
export interface ServerEvent {
  /** What happened; "message" where the server did not say. */
  event: string;
  data: string;
  /** Give it back in the header Last-Event-ID to go on from here. */
  id?: string;
  /** How long to wait before connecting again, in milliseconds. */
  retry?: number;
}

type Value = unknown;

interface Call {
  method: string;
  path: string;
  query?: ReadonlyArray<readonly [name: string, value: Value, joined?: boolean]>;
  headers?: ReadonlyArray<readonly [name: string, value: Value]>;
  cookies?: ReadonlyArray<readonly [name: string, value: Value]>;
  body?: Value;
  media?: string;
  form?: "urlencoded" | "multipart";
  accept?: string;
}

const text = (value: Value): string =>
  value instanceof Date ? value.toISOString() : typeof value === "object" ? JSON.stringify(value) : String(value);

const listed = (value: Value): Value[] =>
  value === undefined || value === null ? [] : Array.isArray(value) ? value : [value];

const segment = (value: Value): string => encodeURIComponent(text(value));

function address(base: string, call: Call): string {
  const query = new URLSearchParams();
  for (const [name, value, joined] of call.query ?? []) {
    const values = listed(value).map(text);
    if (joined && values.length > 0) query.append(name, values.join(","));
    else for (const one of values) query.append(name, one);
  }
  const asked = query.toString();
  return `${base.replace(/\/+$/, "")}${call.path}${asked ? `?${asked}` : ""}`;
}

function encoded(call: Call, headers: Headers): BodyInit | undefined {
  if (call.body === undefined) return undefined;
  if (call.form === undefined) {
    const media = call.media ?? "application/json";
    headers.set("Content-Type", media);
    return /[/+]json$/.test(media) ? JSON.stringify(call.body) : (call.body as BodyInit);
  }
  const form = call.form === "multipart" ? new FormData() : new URLSearchParams();
  for (const [name, value] of Object.entries(call.body as Record<string, Value>)) {
    for (const one of listed(value)) {
      if (form instanceof FormData && one instanceof Blob) form.append(name, one);
      else form.append(name, text(one));
    }
  }
  return form;
}

function pageCookie(name: string): string | undefined {
  const page = (globalThis as { document?: { cookie: string } }).document;
  const found = page?.cookie.split("; ").find((pair) => pair.startsWith(`${name}=`));
  return found === undefined ? undefined : decodeURIComponent(found.slice(name.length + 1));
}

async function read(response: Response): Promise<Value> {
  if (response.status === 204 || response.status === 205) return undefined;
  const kind = response.headers.get("Content-Type") ?? "";
  if (kind !== "" && !/^text\/|[/+](json|xml|yaml|x-ndjson)\b/.test(kind)) return response.blob();
  const body = await response.text();
  if (body === "") return undefined;
  return /[/+]json\b/.test(kind) ? (JSON.parse(body) as Value) : body;
}

/** The lines of a body as they come; one that the server has not ended yet waits for its end. */
async function* linesOf(response: Response): AsyncGenerator<string, void, undefined> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
      // A carriage return at the end may be the first half of a line end.
      const parts = rest.split(done ? /\r\n|\r|\n/ : /\r\n|\r(?!$)|\n/);
      rest = parts.pop() ?? "";
      yield* parts;
      if (done) break;
    }
    if (rest !== "") yield rest;
  } finally {
    // Whoever stops reading lets the server stop as well.
    await reader.cancel().catch(() => undefined);
  }
}

async function failure(response: Response): Promise<ApiError> {
  let problem: Problem | null = null;
  try {
    const body = await read(response);
    if (typeof body === "object" && body !== null && "status" in body) problem = body as Problem;
  } catch {
    // An answer that is no JSON, such as one of a proxy: the status says what there is to say.
  }
  return new ApiError(response.status, problem, response);
}

class Transport {
  constructor(protected readonly options: ClientOptions = {}) {}

  protected async send<Answer>(call: Call, options: RequestOptions): Promise<Answer> {
    return this.fetched<Answer>(address(this.options.baseUrl ?? "", call), call, options);
  }

  /** The one of several forms of a body that was given. */
  protected sent(...forms: ReadonlyArray<readonly [media: string, body: Value]>): Pick<Call, "media" | "body"> {
    const given = forms.find(([, body]) => body !== undefined);
    return given === undefined ? {} : { media: given[0], body: given[1] };
  }

  /** Follow an address that an answer gave, such as the next page's. */
  protected async follow<Answer>(link: string, options: RequestOptions): Promise<Answer> {
    const base = this.options.baseUrl ?? "";
    const site = /^[a-z]+:\/\/[^/]+/i.exec(base)?.[0] ?? "";
    const target = link.startsWith("/") ? `${site}${link}` : link;
    if (/^[a-z]+:\/\//i.test(target) && site !== "" && !target.startsWith(`${site}/`)) {
      // What goes along with every request is for this server only.
      throw new Error(`The next page is on another server: ${target}`);
    }
    return this.fetched<Answer>(target, { method: "GET", path: link }, options);
  }

  /** The values of a streamed answer, one on each line. */
  protected async *lines<Item>(call: Call, options: RequestOptions): AsyncGenerator<Item, void, undefined> {
    const response = await this.opened(
      address(this.options.baseUrl ?? "", call),
      { ...call, accept: "application/x-ndjson" },
      options,
    );
    for await (const line of linesOf(response)) if (line !== "") yield JSON.parse(line) as Item;
  }

  /** The events of a stream, until it or the reader ends it. */
  protected async *events(call: Call, options: RequestOptions): AsyncGenerator<ServerEvent, void, undefined> {
    const url = address(this.options.baseUrl ?? "", call);
    const response = await this.opened(url, { ...call, accept: "text/event-stream" }, options);
    let data: string[] = [];
    let made: Omit<ServerEvent, "data"> = { event: "message" };
    for await (const line of linesOf(response)) {
      const colon = line.indexOf(":");
      const name = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
      if (line === "") {
        if (data.length > 0) yield { ...made, data: data.join("\n") };
        data = [];
        made = { event: "message", ...(made.id !== undefined && { id: made.id }) };
      } else if (name === "data") data.push(value);
      else if (name === "event") made.event = value;
      else if (name === "id") made.id = value;
      else if (name === "retry" && /^\d+$/.test(value)) made.retry = Number(value);
    }
  }

  private async fetched<Answer>(url: string, call: Call, options: RequestOptions): Promise<Answer> {
    return (await read(await this.opened(url, call, options))) as Answer;
  }

  private async opened(url: string, call: Call, options: RequestOptions): Promise<Response> {
    const headers = new Headers({ Accept: call.accept ?? "application/json", ...this.options.headers, ...options.headers });
    for (const [name, value] of call.headers ?? []) {
      if (value !== undefined && value !== null) headers.set(name, text(value));
    }
    const cookies = (call.cookies ?? []).filter(([, value]) => value !== undefined && value !== null);
    if (cookies.length > 0) {
      const known = headers.get("Cookie");
      const added = cookies.map(([name, value]) => `${name}=${text(value)}`);
      headers.set("Cookie", [...(known ? [known] : []), ...added].join("; "));
    }
    const { token } = this.options;
    const credential = typeof token === "function" ? await token() : token;
    if (credential) headers.set("Authorization", `${this.options.tokenScheme ?? "Bearer"} ${credential}`);
    if (CSRF !== null && !["GET", "HEAD", "OPTIONS"].includes(call.method)) {
      const given = this.options.csrfToken;
      const proof = (typeof given === "function" ? given() : given) ?? pageCookie(CSRF.cookie);
      if (proof) headers.set(CSRF.header, proof);
    }
    const body = encoded(call, headers);
    const init: RequestInit = { method: call.method, headers, credentials: this.options.credentials ?? "same-origin" };
    if (body !== undefined) init.body = body;
    if (options.signal !== undefined) init.signal = options.signal;
    const response = await (this.options.fetch ?? fetch)(url, init);
    options.onResponse?.(response);
    if (!response.ok) throw await failure(response);
    return response;
  }
}
