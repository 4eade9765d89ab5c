// SHA-256 of the canonical N-Quads of JSON-LD documents, as the JavaScript reference implementations (jsonld, rdf-canonize) make them.
//
//   node tests/vectors/canonical_digests.mjs MODULES CONTEXTS < documents.jsonl > digests.txt
//
// MODULES holds node_modules with jsonld and rdf-canonize, CONTEXTS is schemas/contexts. One document a line in, one line out: the digest,
// or `error: NAME`. Driven by compare_canonical.py; nothing of our own code runs here.
import {createHash} from 'node:crypto';
import {createRequire} from 'node:module';
import {readFileSync} from 'node:fs';
import {join, resolve} from 'node:path';
import {pathToFileURL} from 'node:url';
import {createInterface} from 'node:readline';

const [modulesFolder, contextFolder] = process.argv.slice(2);
const require = createRequire(join(resolve(modulesFolder), 'node_modules', 'anchor.js'));
const load = async name => import(pathToFileURL(require.resolve(name)).href);
const jsonld = (await load('jsonld')).default;
const rdfCanonize = await load('rdf-canonize');

const FILES = {
  'https://www.w3.org/2018/credentials/v1': 'credentials-v1',
  'https://www.w3.org/ns/credentials/v2': 'credentials-v2',
  'https://www.w3.org/ns/credentials/examples/v2': 'examples-v2',
  'https://www.w3.org/ns/credentials/status/v1': 'bitstring-status-list-v1',
  'https://w3id.org/security/data-integrity/v2': 'data-integrity-v2',
  'https://w3id.org/security/multikey/v1': 'multikey-v1',
  'https://w3id.org/datasigil/v1': 'datasigil-v1',
};
const contexts = new Map(Object.entries(FILES).map(
  ([url, file]) => [url, JSON.parse(readFileSync(join(contextFolder, `${file}.jsonld`), 'utf8'))]));

async function documentLoader(url) {
  const document = contexts.get(url);
  if(document === undefined) {
    throw new Error(`unknown context ${url}`);
  }
  return {contextUrl: null, documentUrl: url, document};
}

async function digest(document) {
  const dataset = await jsonld.toRDF(document, {
    algorithm: 'RDFC-1.0', base: null, safe: true, rdfDirection: 'i18n-datatype', produceGeneralizedRdf: false, documentLoader,
  });
  const nquads = await rdfCanonize.canonize(dataset, {
    algorithm: 'RDFC-1.0', format: 'application/n-quads', messageDigestAlgorithm: 'SHA-256', maxWorkFactor: 3,
  });
  return createHash('sha256').update(nquads).digest('hex');
}

for await (const line of createInterface({input: process.stdin})) {
  let answer;
  try {
    answer = await digest(JSON.parse(line));
  } catch(error) {
    answer = `error: ${error.name}: ${error.message} ${JSON.stringify(error.details ?? {}).slice(0, 300)}`.replace(/\s+/g, ' ');
  }
  process.stdout.write(`${answer}\n`);
}
