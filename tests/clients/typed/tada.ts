import { initGraphQLTada, type ResultOf, type VariablesOf } from 'gql.tada';
import type { introspection } from './graphql-env.js';

const graphql = initGraphQLTada<{ introspection: introspection; scalars: { DateTime: string; JSON: unknown } }>();

const Start = graphql(`
  query Start($key: String!) {
    validateBetaKey(key: $key) { valid reason }
    viewer { email tenant { createdAt } }
  }
`);

export const variables: VariablesOf<typeof Start> = { key: 'BETA-TEST-12345' };

export function show(start: ResultOf<typeof Start>): string {
  const createdAt: string | undefined = start.viewer?.tenant?.createdAt;
  // @ts-expect-error: `valid` is a Boolean.
  const wrong: string = start.validateBetaKey.valid;
  return `${createdAt} ${wrong}`;
}
