// node relay.mjs URL KEY: posts what relay-compiler wrote. Writes the results as JSON.
import { readdirSync, readFileSync } from 'node:fs';

const [url, key] = process.argv.slice(2);
const documents = {};
for (const file of readdirSync('relay/__generated__')) {
  const text = readFileSync(`relay/__generated__/${file}`, 'utf8').match(/"text": (".*")/);
  if (text) documents[file.split('.')[0]] = JSON.parse(text[1]);
}
const post = async (query, variables) => {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json, application/json' },
    body: JSON.stringify({ query, variables }),
  });
  return response.json();
};
const start = await post(documents.keysStartQuery, { key });
const list = await post(documents.keysListPaginationQuery, { count: 2, cursor: null });
console.log(JSON.stringify({ names: Object.keys(documents).sort(), start, list }));
