import { graphql } from 'relay-runtime';

graphql`
  query keysStartQuery($key: String!) {
    viewer { id email }
    validateBetaKey(key: $key) { valid reason message }
  }
`;

graphql`
  query keysListQuery($count: Int!, $cursor: String) {
    ...keysList_keys @arguments(count: $count, cursor: $cursor)
  }
`;

graphql`
  fragment keysList_keys on Query
  @argumentDefinitions(count: { type: "Int", defaultValue: 20 }, cursor: { type: "String" })
  @refetchable(queryName: "keysListPaginationQuery") {
    betaKeys(first: $count, after: $cursor) @connection(key: "keysList_betaKeys") {
      edges { node { id key status } }
    }
  }
`;

graphql`
  mutation keysRegisterMutation($input: RegisterInput!) {
    register(input: $input) {
      __typename
      ... on Registration { accessToken tenant { id } }
      ... on Error { code message }
    }
  }
`;
