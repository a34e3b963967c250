// A WebSocket client that says what it is told to, also what no proper client would.
import WebSocket from 'ws';

const PATIENCE = 20_000;

/** Opens a socket; gives what is heard on it and how it was closed, in order. */
export function open(url, { protocols = 'graphql-transport-ws', ...options } = {}) {
  const socket = protocols ? new WebSocket(url, protocols, options) : new WebSocket(url, options);
  const heard = [];
  const waiting = [];
  const put = (item) => (waiting.length ? waiting.shift()(item) : heard.push(item));
  socket.on('message', (data) => put({ message: JSON.parse(data) }));
  socket.on('close', (code, reason) => put({ code, reason: reason.toString() }));
  socket.on('error', (error) => put({ error }));
  const opened = new Promise((resolve) => socket.once('open', resolve));

  const next = () => {
    if (heard.length) return Promise.resolve(heard.shift());
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('nothing was heard')), PATIENCE);
      waiting.push((item) => (clearTimeout(timer), resolve(item)));
    });
  };
  return {
    socket,
    opened,
    async say(message) {
      await opened;
      socket.send(typeof message === 'string' ? message : JSON.stringify(message));
    },
    /** The next message. */
    async hear() {
      const item = await next();
      if (!item.message) throw new Error(`closed instead of a message: ${JSON.stringify(item)}`);
      return item.message;
    },
    /** How the socket was closed; nothing else may be heard before. */
    async closed() {
      const item = await next();
      if (!('code' in item)) throw new Error(`not closed: ${JSON.stringify(item)}`);
      return item;
    },
    /** Begins a connection. */
    async init(payload) {
      await this.say({ type: 'connection_init', payload });
      const { type } = await this.hear();
      if (type !== 'connection_ack') throw new Error(`${type} instead of connection_ack`);
      return this;
    },
    async subscribe(id, query, variables) {
      await this.say({ id, type: 'subscribe', payload: { query, variables } });
      return this;
    },
    close: () => socket.terminate(),
  };
}
