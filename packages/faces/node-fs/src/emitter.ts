/** The part of Node's EventEmitter that watchers use, for where there is no Node. */

type Listener = (...values: unknown[]) => void;
type EventName = string | symbol;

export class Emitter {
  readonly #listeners = new Map<EventName, Listener[]>();

  on(name: EventName, listener: Listener): this {
    this.#listeners.set(name, [...this.listeners(name), listener]);
    return this;
  }

  addListener(name: EventName, listener: Listener): this {
    return this.on(name, listener);
  }

  once(name: EventName, listener: Listener): this {
    const once: Listener = (...values) => {
      this.off(name, once);
      listener.apply(this, values);
    };
    return this.on(name, once);
  }

  off(name: EventName, listener: Listener): this {
    const left = this.listeners(name).filter((other) => other !== listener);
    this.#listeners.set(name, left);
    return this;
  }

  removeListener(name: EventName, listener: Listener): this {
    return this.off(name, listener);
  }

  removeAllListeners(name?: EventName): this {
    if (name === undefined) this.#listeners.clear();
    else this.#listeners.delete(name);
    return this;
  }

  listeners(name: EventName): readonly Listener[] {
    return this.#listeners.get(name) ?? [];
  }

  listenerCount(name: EventName): number {
    return this.listeners(name).length;
  }

  /** An "error" that nobody listens to is thrown, as Node does. */
  emit(name: EventName, ...values: unknown[]): boolean {
    const listeners = this.listeners(name);
    if (name === "error" && listeners.length === 0) throw values[0];
    for (const listener of listeners) listener.apply(this, values);
    return listeners.length > 0;
  }
}
