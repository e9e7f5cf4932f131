// Prints what each audit of the GraphQL-over-HTTP specification says about the server at the URL that is
// given as the only argument: one JSON object a line, with id, name, status and, unless that is "ok", reason.
import { serverAudits } from 'graphql-http';

const [url] = process.argv.slice(2);
if (!url) {
  console.error('usage: node run.mjs URL');
  process.exit(2);
}
for (const audit of serverAudits({ url })) {
  const { id, name, status, reason } = await audit.fn();
  console.log(JSON.stringify({ id, name, status, reason }));
}
