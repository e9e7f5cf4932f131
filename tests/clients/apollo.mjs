// node apollo.mjs PACKAGE URL KEY: Apollo Client 4 or 3 with persisted queries. Writes its results as JSON.
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';

const [name, url, betaKey] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const { ApolloClient, HttpLink, InMemoryCache, gql } = require(`${name}/core`);
const { PersistedQueryLink, createPersistedQueryLink } = require(`${name}/link/persisted-queries`);

const introspection = `{ __schema { types { name possibleTypes { name } } } }`;
const answer = await fetch(url, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ query: introspection }),
});
const { data: { __schema: { types } } } = await answer.json();
const possibleTypes = Object.fromEntries(
  types.filter((type) => type.possibleTypes).map((type) => [type.name, type.possibleTypes.map(({ name }) => name)]),
);

const requests = [];
const traced = async (target, init) => {
  const hasQuery = init.method === 'GET' ? new URL(target).searchParams.has('query') : 'query' in JSON.parse(init.body);
  const response = await fetch(target, init);
  requests.push(`${init.method} ${hasQuery ? 'query' : 'hash'} ${response.status}`);
  return response;
};
const persisted = {
  sha256: (text) => createHash('sha256').update(text).digest('hex'),
  useGETForHashedQueries: true,
};
const newClient = () => new ApolloClient({
  cache: new InMemoryCache({ possibleTypes }),
  link: (PersistedQueryLink ? new PersistedQueryLink(persisted) : createPersistedQueryLink(persisted))
    .concat(new HttpLink({ uri: url, fetch: traced, headers: { 'accept-language': 'es_CO' } })),
});

// Each package has operations of its own, which the server has not seen.
const suffix = name.replace(/\W/g, '_');
const START = gql`
  query Start_${suffix}($key: String!) {
    viewer { id }
    validateBetaKey(key: $key) { valid message }
    mine: query { sessions { id } }
  }
`;
const REGISTER = gql`
  mutation Register_${suffix}($input: RegisterInput!) {
    register(input: $input) {
      ... on Registration { accessToken tenant { id businessName } }
      ... on InvalidInput { fields { field code } }
      ... on Error { code message }
    }
  }
`;

const start = () => newClient().query({ query: START, variables: { key: betaKey }, errorPolicy: 'all' });
const first = await start();
const second = await start();
const { data } = await newClient().mutate({
  mutation: REGISTER,
  variables: {
    input: {
      betaKey, businessName: 'El Ahorro', nit: '900123456', businessType: 'TIENDA', address: 'Calle 1',
      firstName: 'Ana', lastName: 'Ríos', email: 'ana', password: 'Sup3r!secret',
    },
  },
});
console.log(JSON.stringify({ requests, first: first.data, second: second.data, register: data.register }));
