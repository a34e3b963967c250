// A WebSocket client that sends whatever it is given, also what no proper client would send.
import WebSocket from 'ws';

const RECEIVE_TIMEOUT_MS = 20_000;

/** Opens a socket. Messages and the close are kept in the order of their arrival. */
export function connect(url, { protocols = 'graphql-transport-ws', ...options } = {}) {
  const socket = protocols ? new WebSocket(url, protocols, options) : new WebSocket(url, options);
  const received = [];
  const waiting = [];
  const push = (event) => (waiting.length ? waiting.shift()(event) : received.push(event));
  socket.on('message', (data) => push({ message: JSON.parse(data) }));
  socket.on('close', (code, reason) => push({ code, reason: reason.toString() }));
  socket.on('error', (error) => push({ error }));
  const opened = new Promise((resolve) => socket.once('open', resolve));

  const next = () => {
    if (received.length) return Promise.resolve(received.shift());
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('nothing was received')), RECEIVE_TIMEOUT_MS);
      waiting.push((event) => (clearTimeout(timer), resolve(event)));
    });
  };
  return {
    async send(message) {
      await opened;
      socket.send(typeof message === 'string' ? message : JSON.stringify(message));
    },
    /** Resolves to the next message; rejects if the socket closes instead. */
    async receive() {
      const event = await next();
      if (!event.message) throw new Error(`closed instead of a message: ${JSON.stringify(event)}`);
      return event.message;
    },
    /** Resolves to the code and reason of the close; rejects if a message arrives before. */
    async closed() {
      const event = await next();
      if (!('code' in event)) throw new Error(`not closed: ${JSON.stringify(event)}`);
      return event;
    },
    /** Sends connection_init and waits for connection_ack. */
    async init(payload) {
      await this.send({ type: 'connection_init', payload });
      const { type } = await this.receive();
      if (type !== 'connection_ack') throw new Error(`${type} instead of connection_ack`);
      return this;
    },
    async subscribe(id, query, variables) {
      await this.send({ id, type: 'subscribe', payload: { query, variables } });
      return this;
    },
    close: () => socket.terminate(),
  };
}
