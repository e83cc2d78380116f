/** A page of the console. */
export interface View {
  readonly element: HTMLElement;
  /** The gateway has told something, or the view has come into sight. */
  update(): void;
  /** The view has come into sight: what is not told by itself is asked for. */
  enter?(): void;
}
