// Elements, without any HTML from text: what others have named is only ever text.

type Child = Node | string | null | undefined | false;
type Properties = Readonly<Record<string, unknown>>;

const SVG = "http://www.w3.org/2000/svg";

/** An element. `on…` is a listener, `class` the class, all else an attribute; `false` and absent values are left out. */
export function h<K extends keyof HTMLElementTagNameMap>(
  name: K,
  properties: Properties = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  return furnish(document.createElement(name), properties, children);
}

/** The same for SVG. */
export function s(name: string, properties: Properties = {}, ...children: readonly Child[]): SVGElement {
  return furnish(document.createElementNS(SVG, name), properties, children);
}

function furnish<E extends Element>(element: E, properties: Properties, children: readonly Child[]): E {
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") {
      element.addEventListener(name.slice(2), value as EventListener);
    } else if (value === true) {
      element.setAttribute(name, "");
    } else if (value !== false && value !== undefined && value !== null) {
      element.setAttribute(name, String(value));
    }
  }
  element.append(...children.filter((child): child is Node | string => child !== null && child !== undefined && child !== false));
  return element;
}

/** Sets a text only where it is another: what is selected stays selected, and nothing is read out twice. */
export function put(node: Element, text: string): void {
  if (node.textContent !== text) {
    node.textContent = text;
  }
}

/** Sets an attribute only where it is another. */
export function set(node: Element, name: string, value: string | null): void {
  if (value === null) {
    node.removeAttribute(name);
  } else if (node.getAttribute(name) !== value) {
    node.setAttribute(name, value);
  }
}

/** Says something to those who do not see it. */
export function announce(text: string): void {
  const region = document.getElementById("said");
  if (region) {
    region.textContent = text;
  }
}
