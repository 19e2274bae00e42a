/** How wide an element is, for pictures that are drawn to fit. A Lit reactive controller. */

/** @import { GuruElement } from "./element.js" */

/**
 * Call `told` with the element's width in pixels, now and whenever it changes while the element is on the page.
 * @param {GuruElement} host @param {(width: number) => void} told
 */
export function watchWidth(host, told) {
  const observer = new ResizeObserver(([entry]) => told(Math.round(entry.contentRect.width)));
  host.addController({
    hostConnected: () => observer.observe(host),
    hostDisconnected: () => observer.disconnect(),
  });
}
