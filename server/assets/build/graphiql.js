// GraphiQL for the endpoint whose page this is. The server passes the start queries in data attributes.
import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { GraphiQL } from 'graphiql';
import { createElement } from 'react';
import { createRoot } from 'react-dom/client';
import 'graphiql/style.css';
import './graphiql.css';

const root = document.getElementById('graphiql');
const { service, queries } = root.dataset;
const headers = '{\n  "Authorization": "Bearer "\n}';

// The page's own address, so that it also works behind a proxy that adds a prefix.
const url = new URL(location.pathname.replace(/\/+$/, ''), location.origin).href;
const fetcher = createGraphiQLFetcher({
  url,
  subscriptionUrl: `${url.replace(/^http/, 'ws')}/ws`,
  enableIncrementalDelivery: false,
});

/** Leaves the form that the headers editor starts with out of the request while no token was pasted into it. */
function withToken(options) {
  const filled = Object.entries(options?.headers ?? {}).filter(([, value]) => !/^\s*(bearer)?\s*$/i.test(value));
  return { ...options, headers: Object.fromEntries(filled) };
}

/** Keeps the tabs of two services apart where a proxy serves both from one origin. */
const storage = {
  getItem: (key) => localStorage.getItem(`${service}:${key}`),
  setItem: (key, value) => localStorage.setItem(`${service}:${key}`, value),
  removeItem: (key) => localStorage.removeItem(`${service}:${key}`),
  clear: () => Object.keys(localStorage).filter((key) => key.startsWith(`${service}:`)).forEach((key) => localStorage.removeItem(key)),
  get length() {
    return Object.keys(localStorage).filter((key) => key.startsWith(`${service}:`)).length;
  },
};

createRoot(root).render(
  createElement(
    GraphiQL,
    {
      fetcher: (params, options) => fetcher(params, withToken(options)),
      storage,
      defaultTabs: JSON.parse(queries).map((query) => ({ query, headers })),
      defaultHeaders: headers,
      defaultEditorToolsVisibility: 'headers',
    },
    createElement(GraphiQL.Logo, null, createElement('a', { href: '/', className: 'home' }, service)),
  ),
);
