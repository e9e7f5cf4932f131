// node graphql-request.mjs http://127.0.0.1:8000/graphql BETA-XXXXX-XXXXX
import { setTimeout as pause } from 'node:timers/promises';
import { ClientError, gql, GraphQLClient } from 'graphql-request';

const [url, betaKey] = process.argv.slice(2);
const client = new GraphQLClient(url, { headers: { 'accept-language': 'es' } });

const REGISTER = gql`
  mutation Register($input: RegisterInput!) {
    register(input: $input) {
      __typename
      ... on Registration { accessToken tenant { id businessName } }
      ... on InvalidInput { fields { field code message } }
      ... on RateLimited { retryAfterSeconds }
      ... on Error { code message }
    }
  }
`;

// Repeats a request that got no answer. This is safe for register: if the first one reached the database,
// the second one answers the same tenant with a new token.
async function send(document, variables, attempts = 5) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await client.request({ document, variables, signal: AbortSignal.timeout(30_000) });
    } catch (error) {
      const permanent = error instanceof ClientError && error.response.status < 500;
      if (permanent || attempt === attempts) throw error;
      await pause(2 ** attempt * 250 * (0.5 + Math.random()));
    }
  }
}

async function register(input) {
  const { register: result } = await send(REGISTER, { input });
  if (result.__typename === 'Registration') {
    client.setHeader('authorization', `Bearer ${result.accessToken}`);
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

const { viewer } = await send(gql`{ viewer { email tenant { businessName } } }`);
console.log(`${viewer.email} of ${viewer.tenant.businessName}`);
