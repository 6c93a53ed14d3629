import { type ProxyError, toProxyError } from '../errors.ts';
import type { FieldList } from '../headers/field-list.ts';
import type { BodyFailure, BodySink, BodySource } from '../wire/body.ts';

/** What reads a body as it passes and may change it, part by part. Both sides have one: placeholders go in, echoes come out. */
export interface BodyEditor {
  /** What may leave after these bytes; it may hold some back. May throw a `ProxyError`: then nothing more of the body leaves. */
  push(bytes: Buffer): Buffer;
  /** What was held back. */
  end(): Buffer;
  trailers(fields: FieldList): FieldList;
}

/** Passes a body through an editor on its way into another sink. After a failure it takes what still comes, and passes nothing. */
export class EditingSink implements BodySink {
  readonly #inner: BodySink;
  readonly #editor: BodyEditor;
  #failure: ProxyError | null = null;
  onFailure: (failure: ProxyError) => void = ignore;

  constructor(inner: BodySink, editor: BodyEditor) {
    this.#inner = inner;
    this.#editor = editor;
  }

  get failure(): ProxyError | null {
    return this.#failure;
  }

  write(bytes: Buffer): boolean {
    const edited = this.#try(() => this.#editor.push(bytes));
    return edited === null || edited.length === 0 || this.#inner.write(edited);
  }

  whenDrained(resume: () => void): void {
    this.#inner.whenDrained(resume);
  }

  end(trailers: FieldList): void {
    const last = this.#try(() => ({ rest: this.#editor.end(), trailers: this.#editor.trailers(trailers) }));
    if (last === null) return;
    if (last.rest.length > 0) this.#inner.write(last.rest);
    this.#inner.end(last.trailers);
  }

  #try<T>(edit: () => T): T | null {
    if (this.#failure !== null) return null;
    try {
      return edit();
    } catch (thrown) {
      this.#failure = toProxyError(thrown, 'relay');
      this.onFailure(this.#failure);
      return null;
    }
  }
}

/** A body that an editor reads on its way. It fails as soon as the editor does, whatever else of it is still to come. */
export class EditedBody implements BodySource {
  readonly #source: BodySource;
  readonly #editor: BodyEditor;

  constructor(source: BodySource, editor: BodyEditor) {
    this.#source = source;
    this.#editor = editor;
  }

  moveTo(sink: BodySink, onBytes: (count: number) => void): BodyFailure | Promise<BodyFailure> {
    const editing = new EditingSink(sink, this.#editor);
    const moved = this.#source.moveTo(editing, onBytes);
    if (editing.failure !== null) return editing.failure;
    if (!(moved instanceof Promise)) return moved;
    return new Promise((resolve) => {
      editing.onFailure = resolve;
      void moved.then((failure) => resolve(editing.failure ?? failure));
    });
  }
}

function ignore(): void {}
