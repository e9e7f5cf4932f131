// node urql.mjs URL KEY: urql with Graphcache and persisted queries. Writes its results as JSON.
import { Client, fetchExchange, gql } from '@urql/core';
import { cacheExchange } from '@urql/exchange-graphcache';
import { persistedExchange } from '@urql/exchange-persisted';
import { buildSchema, introspectionFromSchema } from 'graphql';

const [url, betaKey] = process.argv.slice(2);
const sdl = await (await fetch(`${url}/schema.graphql`)).text();
const schema = introspectionFromSchema(buildSchema(sdl));
const warnings = [];
console.warn = (text) => warnings.push(text);

const requests = [];
const traced = async (target, init) => {
  const hasQuery = init.method === 'GET' ? new URL(target).searchParams.has('query') : 'query' in JSON.parse(init.body);
  const response = await fetch(target, init);
  requests.push(`${init.method} ${hasQuery ? 'query' : 'hash'} ${response.status}`);
  return response;
};
const newClient = () => new Client({
  url,
  fetch: traced,
  preferGetMethod: false,
  exchanges: [
    cacheExchange({ schema, keys: { BetaKeyValidation: () => null } }),
    persistedExchange({ preferGetForPersistedQueries: true }),
    fetchExchange,
  ],
});

const START = gql`
  query Start($key: String!) {
    viewer { id }
    validateBetaKey(key: $key) { valid message }
  }
`;
const REGISTER = gql`
  mutation Register($input: RegisterInput!) {
    register(input: $input) {
      __typename
      ... on Registration { accessToken tenant { id businessName } }
      ... on InvalidInput { fields { field code } }
      ... on Error { code message }
    }
  }
`;

const first = await newClient().query(START, { key: betaKey }).toPromise();
const second = await newClient().query(START, { key: betaKey }).toPromise();
const registered = await newClient().mutation(REGISTER, {
  input: {
    betaKey, businessName: 'El Ahorro', nit: '900123456', businessType: 'TIENDA', address: 'Calle 1',
    firstName: 'Ana', lastName: 'Ríos', email: 'ana', password: 'Sup3r!secret',
  },
}).toPromise();
const errors = [first, second, registered].map(({ error }) => error?.message ?? null);
console.log(JSON.stringify({
  requests, warnings, errors, first: first.data, second: second.data, register: registered.data?.register,
}));
