// node apollo.mjs http://127.0.0.1:8000/graphql BETA-XXXXX-XXXXX
import { readFileSync } from 'node:fs';
import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from '@apollo/client';
import { SetContextLink } from '@apollo/client/link/context';
import { buildSchema, isAbstractType } from 'graphql';

const [url, betaKey] = process.argv.slice(2);

// Each interface and union with its members. In a browser, write this object to a file at build time.
const schema = buildSchema(readFileSync(new URL('../../schema.graphql', import.meta.url), 'utf8'));
const possibleTypes = Object.fromEntries(
  Object.values(schema.getTypeMap())
    .filter(isAbstractType)
    .map((type) => [type.name, schema.getPossibleTypes(type).map(({ name }) => name)]),
);

let token;
const client = new ApolloClient({
  cache: new InMemoryCache({ possibleTypes }),
  link: ApolloLink.from([
    new SetContextLink(({ headers }) => ({
      headers: { ...headers, 'accept-language': 'es', ...(token && { authorization: `Bearer ${token}` }) },
    })),
    new HttpLink({ uri: url }),
  ]),
});

const REGISTER = gql`
  mutation Register($input: RegisterInput!) {
    register(input: $input) {
      ... on Registration { accessToken tenant { id businessName } }
      ... on InvalidInput { fields { field code message } }
      ... on Error { code message }
    }
  }
`;

async function register(input) {
  const { data } = await client.mutate({ mutation: REGISTER, variables: { input } });
  const result = data.register;
  if (result.__typename === 'Registration') {
    token = result.accessToken;
    await client.clearStore(); // What the cache holds belongs to the visitor before sign-in.
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

const { data } = await client.query({ query: gql`{ viewer { id email tenant { id businessName } } }` });
console.log(`${data.viewer.email} of ${data.viewer.tenant.businessName}`);
