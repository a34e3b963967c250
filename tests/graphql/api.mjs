// Requests that the checks send to the services over HTTP.

/** Runs a document and returns its data; throws if the response has errors. */
export async function runDocument(address, query, variables, token) {
  const response = await fetch(`${address}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/graphql-response+json',
      ...(token && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = await response.json();
  if (errors) throw new Error(JSON.stringify(errors));
  return data;
}

/** Registers a user, logs them in, and returns their id and access token. */
export async function registerUser(address, username) {
  const input = { username, password: 'a long password of theirs', email: `${username}@example.com` };
  const { register } = await runDocument(
    address,
    'mutation ($input: RegisterInput!) { register(input: $input) { id } }',
    { input },
  );
  const { authenticate } = await runDocument(
    address,
    'mutation ($input: AuthenticateInput!) { authenticate(input: $input) { accessToken } }',
    { input: { username: input.username, password: input.password } },
  );
  return { id: register.id, token: authenticate.accessToken };
}

/** Creates an offer and returns its id and title. */
export async function createOffer(address, { id, token }, title) {
  const input = { userId: id, title, text: 'As good as new.' };
  const query = 'mutation ($input: CreateOfferInput!) { createOffer(input: $input) { id title } }';
  return (await runDocument(address, query, { input }, token)).createOffer;
}
