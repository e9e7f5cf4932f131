import { StartDocument, RegisterDocument } from './generated/graphql.js';
import type { StartQuery, RegisterMutation, RegisterMutationVariables } from './generated/graphql.js';

export const documents = [StartDocument, RegisterDocument];

export function show(start: StartQuery, registered: RegisterMutation): string {
  const role: 'SUPER_ADMIN' | 'ADMIN' | 'MANAGER' | 'CASHIER' | undefined =
    start.viewer?.tenant?.staff.edges[0]?.node.role;
  // @ts-expect-error: `valid` is a Boolean.
  const wrong: string = start.validateBetaKey.valid;
  const result = registered.register;
  return `${role} ${wrong} ${result.__typename === 'Registration' ? result.expiresAt : result.message}`;
}

export type Input = RegisterMutationVariables['input']['betaKey'];
