// Signed documents made by the JavaScript reference implementations, for our tests to verify.
//
// Lives here: the one command that makes tests/vectors/credentials. Not here: any of our own code; schemas/contexts and
// schemas/examples are read as data. Run from the repository root after
//   npm install --prefix /tmp/vectors jsonld-signatures @digitalbazaar/data-integrity
//     @digitalbazaar/eddsa-rdfc-2022-cryptosuite @digitalbazaar/eddsa-jcs-2022-cryptosuite
//     @digitalbazaar/ecdsa-rdfc-2019-cryptosuite @digitalbazaar/ecdsa-jcs-2019-cryptosuite
//     @digitalbazaar/ed25519-multikey @digitalbazaar/ecdsa-multikey @digitalbazaar/bitstring
//   node tests/vectors/make_credentials.mjs /tmp/vectors
// ECDSA signatures are randomised, so a second run changes them; everything else comes out the same.
import {createRequire} from 'node:module';
import {mkdirSync, readFileSync, readdirSync, writeFileSync} from 'node:fs';
import {join, resolve} from 'node:path';
import {pathToFileURL} from 'node:url';

const modules = resolve(process.argv[2] ?? '.', 'node_modules');
const require = createRequire(join(modules, 'anchor.js'));
const load = async name => import(pathToFileURL(require.resolve(name)).href);

const jsigs = (await load('jsonld-signatures')).default;
const {DataIntegrityProof} = await load('@digitalbazaar/data-integrity');
const eddsaRdfc = (await load('@digitalbazaar/eddsa-rdfc-2022-cryptosuite')).cryptosuite;
const eddsaJcs = await load('@digitalbazaar/eddsa-jcs-2022-cryptosuite');
const ecdsaRdfc = (await load('@digitalbazaar/ecdsa-rdfc-2019-cryptosuite')).cryptosuite;
const ecdsaJcs = await load('@digitalbazaar/ecdsa-jcs-2019-cryptosuite');
const Ed25519Multikey = await load('@digitalbazaar/ed25519-multikey');
const EcdsaMultikey = await load('@digitalbazaar/ecdsa-multikey');
const {Bitstring} = await load('@digitalbazaar/bitstring');

const CONTEXTS = {
  'https://www.w3.org/2018/credentials/v1': 'credentials-v1',
  'https://www.w3.org/ns/credentials/v2': 'credentials-v2',
  'https://www.w3.org/ns/credentials/examples/v2': 'examples-v2',
  'https://w3id.org/security/data-integrity/v2': 'data-integrity-v2',
  'https://w3id.org/datasigil/v1': 'datasigil-v1'
};
const documentLoader = async url => {
  if(!(url in CONTEXTS)) {
    throw new Error(`unknown context ${url}`);
  }
  const document = JSON.parse(readFileSync(`schemas/contexts/${CONTEXTS[url]}.jsonld`, 'utf8'));
  return {contextUrl: null, documentUrl: url, document};
};

const CREATED = new Date('2026-11-02T09:30:00Z');
const OUT = 'tests/vectors/credentials';
mkdirSync(OUT, {recursive: true});
const write = (name, value) => writeFileSync(join(OUT, name), JSON.stringify(value, null, 2) + '\n');

async function keyOf(kind) {
  const key = kind === 'ed25519' ?
    await Ed25519Multikey.generate({seed: new Uint8Array(32).fill(7)}) :
    await EcdsaMultikey.generate({curve: kind});
  const {publicKeyMultibase} = await key.export({publicKey: true});
  key.controller = `did:key:${publicKeyMultibase}`;
  key.id = `${key.controller}#${publicKeyMultibase}`;
  return key;
}

const SUITES = [
  ['eddsa-jcs-2022', 'ed25519', eddsaJcs.createSignCryptosuite?.()],
  ['eddsa-rdfc-2022', 'ed25519', eddsaRdfc],
  ['ecdsa-jcs-2019', 'P-256', ecdsaJcs.createSignCryptosuite?.()],
  ['ecdsa-rdfc-2019', 'P-256', ecdsaRdfc],
  ['ecdsa-jcs-2019', 'P-384', ecdsaJcs.createSignCryptosuite?.()],
  ['ecdsa-rdfc-2019', 'P-384', ecdsaRdfc]
];

async function sign({document, kind, cryptosuite, purpose}) {
  const key = await keyOf(kind);
  const holderOrIssuer = document.type.includes('VerifiablePresentation') ?
    {holder: key.controller} : {issuer: {...document.issuer, id: key.controller}};
  const suite = new DataIntegrityProof({signer: key.signer(), cryptosuite, date: CREATED});
  return jsigs.sign({...document, ...holderOrIssuer}, {suite, purpose, documentLoader});
}

const assertion = () => new jsigs.purposes.AssertionProofPurpose();
const examples = readdirSync('schemas/examples').filter(name => name.endsWith('.json')).sort();

// 1. Every example, signed with every suite.
for(const [suiteName, kind, cryptosuite] of SUITES) {
  const signed = {};
  for(const name of examples) {
    const document = JSON.parse(readFileSync(join('schemas/examples', name), 'utf8'));
    signed[name.replace('.json', '')] = await sign({document, kind, cryptosuite, purpose: assertion()});
  }
  write(`signed-${suiteName}-${kind.toLowerCase()}.json`, signed);
}

// 2. Presentations with challenge and domain.
const presentations = {};
for(const [suiteName, kind, cryptosuite] of SUITES) {
  const document = {'@context': ['https://www.w3.org/ns/credentials/v2'], type: ['VerifiablePresentation']};
  const purpose = new jsigs.purposes.AuthenticationProofPurpose({challenge: 'c-123', domain: 'registry.example'});
  presentations[`${suiteName}-${kind.toLowerCase()}`] = await sign({document, kind, cryptosuite, purpose});
}
write('presentations.json', presentations);

// 3. Bitstrings: length and set bits, and what the reference makes of them.
const lists = [];
for(const bits of [[], [0], [7], [0, 8, 131071], Array.from({length: 1000}, (_, i) => (i * 7919) % 131072).sort((a, b) => a - b)]) {
  const bitstring = new Bitstring({length: 131072, leftToRightIndexing: true});
  bits.forEach(bit => bitstring.set(bit, true));
  lists.push({bits, encoded: 'u' + await bitstring.encodeBits()});
}
write('bitstrings.json', lists);
