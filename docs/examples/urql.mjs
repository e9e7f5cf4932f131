// node urql.mjs http://127.0.0.1:8000/graphql BETA-XXXXX-XXXXX
import { readFileSync } from 'node:fs';
import { Client, fetchExchange, gql } from '@urql/core';
import { cacheExchange } from '@urql/exchange-graphcache';
import { buildSchema, introspectionFromSchema } from 'graphql';

const [url, betaKey] = process.argv.slice(2);

// In a browser, write this object to a file at build time.
const schema = introspectionFromSchema(
  buildSchema(readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8')),
);

// These have no id: the cache stores them within the object that has them.
const keys = { BetaKeyStats: () => null, BetaKeyValidation: () => null, Seats: () => null };

let token;
const newClient = () => new Client({
  url,
  preferGetMethod: false, // The address of a GET, with the beta key in it, would be in the logs of proxies.
  exchanges: [cacheExchange({ schema, keys }), fetchExchange],
  fetchOptions: () => ({
    headers: { 'accept-language': 'es', ...(token && { authorization: `Bearer ${token}` }) },
  }),
});
let client = newClient();

const REGISTER = gql`
  mutation Register($input: RegisterInput!) {
    register(input: $input) {
      __typename
      ... on Registration { accessToken tenant { id businessName } }
      ... on InvalidInput { fields { field code message } }
      ... on Error { code message }
    }
  }
`;

async function register(input) {
  const { data, error } = await client.mutation(REGISTER, { input }).toPromise();
  if (error) throw error; // No answer, or errors of the answer itself.
  const result = data.register;
  if (result.__typename === 'Registration') {
    token = result.accessToken;
    client = newClient(); // What the cache holds belongs to the visitor before sign-in.
    return;
  }
  console.log(`${result.code}: ${result.message}`);
  for (const { field, code, message } of result.fields ?? []) console.log(`  ${field} ${code}: ${message}`);
}

const form = {
  betaKey, businessName: 'El Ahorro', nit: '900.123.456-8', businessType: 'TIENDA',
  address: 'Calle 123 # 45-67, Bogotá', firstName: 'Ana', lastName: 'Ríos',
  email: 'ana@example.com', password: 'Sup3r!secret',
};

await register({ ...form, email: 'ana' });
await register(form);

const { data } = await client.query(gql`{ viewer { id email tenant { id businessName } } }`, {}).toPromise();
console.log(`${data.viewer.email} of ${data.viewer.tenant.businessName}`);
