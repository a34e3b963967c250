// What the checks ask the services for over HTTP.

/** Runs a document and gives its data. */
export async function run(address, query, variables, token) {
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

/** Registers a user and logs them in. */
export async function user(address, username) {
  const input = { username, password: 'a long password of theirs', email: `${username}@example.com` };
  const { register } = await run(
    address,
    'mutation ($input: RegisterInput!) { register(input: $input) { id } }',
    { input },
  );
  const { authenticate } = await run(
    address,
    'mutation ($input: AuthenticateInput!) { authenticate(input: $input) { accessToken } }',
    { input: { username: input.username, password: input.password } },
  );
  return { id: register.id, token: authenticate.accessToken };
}

/** Makes an offer. */
export async function offer(address, { id, token }, title) {
  const input = { userId: id, title, text: 'As good as new.' };
  const query = 'mutation ($input: CreateOfferInput!) { createOffer(input: $input) { id title } }';
  return (await run(address, query, { input }, token)).createOffer;
}
