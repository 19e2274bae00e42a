/** Guru's API over fetch: JSON, server-sent events, uploads with progress. */

/** @import { ApiErrorBody } from "./types.js" */

/** An answer that says no, or no answer at all; `hint` says what to do. */
export class ApiError extends Error {
  /** @param {ApiErrorBody} body @param {number} status 0 when the server was not reached */
  constructor(body, status) {
    super(body.message);
    this.status = status;
    this.hint = body.hint ?? "";
    this.traceId = body.trace_id ?? "";
    this.param = body.param ?? "";
  }
}

/** @param {unknown} error @returns {ApiErrorBody} */
export function describe(error) {
  if (error instanceof ApiError) return { message: error.message, hint: error.hint, trace_id: error.traceId, status: error.status, param: error.param };
  return { message: error instanceof Error ? error.message : String(error) };
}

/** @param {unknown} error */
export const isAbort = (error) => error instanceof DOMException && error.name === "AbortError";

const API = "/api/v1";

/** @param {string} path @param {RequestInit & {json?: unknown}} options */
async function request(path, { json, ...options } = {}) {
  const headers = new Headers(options.headers);
  if (json !== undefined) headers.set("content-type", "application/json");
  const body = json === undefined ? options.body : JSON.stringify(json);
  let response;
  try {
    response = await fetch(API + path, { ...options, headers, body });
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new ApiError({ message: "Guru does not answer.", hint: "Check that `guru up` is still running, then try again." }, 0);
  }
  if (!response.ok) throw new ApiError(await errorBody(response), response.status);
  return response;
}

/** @param {Response} response @returns {Promise<ApiErrorBody>} */
async function errorBody(response) {
  try {
    const { error } = await response.json();
    if (error?.message) return error;
  } catch {
    // Not JSON: the status line is all there is.
  }
  return { message: `The server answered ${response.status} ${response.statusText}.` };
}

/** @param {string} path @param {AbortSignal} [signal] @returns {Promise<any>} */
export const get = async (path, signal) => (await request(path, { signal })).json();

/** @param {string} path @param {unknown} json @param {AbortSignal} [signal] @returns {Promise<any>} */
export async function post(path, json = {}, signal) {
  const response = await request(path, { method: "POST", json, signal });
  return response.status === 204 ? null : response.json();
}

/** @param {string} path @param {FormData} form @param {AbortSignal} [signal] @returns {Promise<any>} */
export const postForm = async (path, form, signal) => (await request(path, { method: "POST", body: form, signal })).json();

/** @param {string} path @param {unknown} json @returns {Promise<any>} */
export const patch = async (path, json) => (await request(path, { method: "PATCH", json })).json();

/** @param {string} path @param {unknown} json @returns {Promise<any>} */
export const put = async (path, json) => (await request(path, { method: "PUT", json })).json();

/** @param {string} path @param {boolean} [keepalive] Whether it goes on when the page is left. */
export async function remove(path, keepalive = false) {
  await request(path, { method: "DELETE", keepalive });
}

/**
 * Server-sent events, until the server ends the stream or `signal` aborts it.
 * @param {string} path
 * @param {{json?: unknown, signal?: AbortSignal}} options With `json` a POST, else a GET.
 * @returns {AsyncGenerator<{event: string, data: any}>}
 */
export async function* events(path, { json, signal } = {}) {
  const method = json === undefined ? "GET" : "POST";
  const response = await request(path, { method, json, signal, headers: { accept: "text/event-stream" } });
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      buffer += done ? "\n\n" : value.replaceAll("\r\n", "\n");
      const blocks = buffer.split("\n\n");
      buffer = blocks.pop() ?? "";
      for (const block of blocks) {
        const event = parseEvent(block);
        if (event) yield event;
      }
      if (done) return;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** @param {string} block @returns {{event: string, data: any} | null} */
function parseEvent(block) {
  let event = "message";
  const data = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) event = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
  }
  if (!data.length) return event === "done" ? { event, data: null } : null;
  const text = data.join("\n");
  return { event, data: text === "[DONE]" || text === "" ? null : JSON.parse(text) };
}

/**
 * Send files to a collection. fetch cannot tell how much has been sent, so this is an XMLHttpRequest.
 * @param {string} collection
 * @param {{path: string, file: File}[]} files
 * @param {{onProgress: (fraction: number) => void, signal?: AbortSignal}} options
 * @returns {Promise<import("./types.js").Job>}
 */
export function upload(collection, files, { onProgress, signal }) {
  const form = new FormData();
  for (const { path, file } of files) form.append("files", file, path);
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    xhr.open("POST", `${API}/collections/${encodeURIComponent(collection)}/documents`);
    xhr.responseType = "json";
    xhr.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    xhr.onload = () => {
      if (xhr.status < 300) resolve(xhr.response.job);
      else reject(new ApiError(xhr.response?.error ?? { message: `The server answered ${xhr.status}.` }, xhr.status));
    };
    xhr.onerror = () => reject(new ApiError({ message: "The upload broke off.", hint: "Check that Guru is still running." }, 0));
    xhr.onabort = () => reject(new DOMException("Upload cancelled", "AbortError"));
    signal?.addEventListener("abort", () => xhr.abort());
    xhr.send(form);
  });
}
