// The peer: @digitalbazaar/vc behind Node's own HTTP server, without any database. POST /issue/SUITE signs the credential in the body,
// POST /verify/SUITE verifies the one in it; SUITE is jcs or rdfc. Contexts come from memory. Prints its port, then serves until it is ended.
import * as vc from '@digitalbazaar/vc';
import * as Ed25519Multikey from '@digitalbazaar/ed25519-multikey';
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import {cryptosuite as rdfc} from '@digitalbazaar/eddsa-rdfc-2022-cryptosuite';
import {createSignCryptosuite as jcsSign, createVerifyCryptosuite as jcsVerify} from
  '@digitalbazaar/eddsa-jcs-2022-cryptosuite';
import {createServer} from 'node:http';
import {readFileSync} from 'node:fs';

const [contextFolder] = process.argv.slice(2);
const contexts = new Map([
  ['https://www.w3.org/ns/credentials/v2', 'credentials-v2.jsonld'],
  ['https://w3id.org/datasigil/v1', 'datasigil-v1.jsonld'],
  ['https://w3id.org/security/data-integrity/v2', 'data-integrity-v2.jsonld'],
].map(([url, file]) => [url, JSON.parse(readFileSync(`${contextFolder}/${file}`, 'utf8'))]));

const key = await Ed25519Multikey.generate();
const fragment = key.publicKeyMultibase;
key.id = `did:key:${fragment}#${fragment}`;
key.controller = `did:key:${fragment}`;
const method = {
  '@context': 'https://w3id.org/security/multikey/v1', id: key.id, type: 'Multikey', controller: key.controller,
  publicKeyMultibase: fragment,
};
const didDocument = {
  '@context': ['https://www.w3.org/ns/did/v1', 'https://w3id.org/security/multikey/v1'], id: key.controller,
  verificationMethod: [method], assertionMethod: [key.id],
};

async function documentLoader(url) {
  const document = contexts.get(url) ?? (url === key.id ? method : url === key.controller ? didDocument : undefined);
  if(document === undefined) {
    throw new Error(`not in memory: ${url}`);
  }
  return {contextUrl: null, documentUrl: url, document};
}

const suites = {
  rdfc: {sign: () => rdfc, verify: () => rdfc},
  jcs: {sign: jcsSign, verify: jcsVerify},
};

async function answer(path, body) {
  const [, operation, name] = path.split('/');
  if(operation === 'issue') {
    const credential = {...body.credential, issuer: key.controller};
    const suite = new DataIntegrityProof({signer: key.signer(), cryptosuite: suites[name].sign()});
    return {verifiableCredential: await vc.issue({credential, suite, documentLoader})};
  }
  const suite = new DataIntegrityProof({cryptosuite: suites[name].verify()});
  const result = await vc.verifyCredential({
    credential: body.verifiableCredential, suite, documentLoader, checkStatus: async () => ({verified: true}),
  });
  if(!result.verified) {
    throw result.error;
  }
  return {verified: true};
}

const server = createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) {
    parts.push(part);
  }
  let status = request.url.startsWith('/issue') ? 201 : 200;
  let text;
  try {
    text = JSON.stringify(await answer(request.url, JSON.parse(Buffer.concat(parts).toString('utf8'))));
  } catch(error) {
    status = 400;
    text = JSON.stringify({error: String(error)});
  }
  response.writeHead(status, {'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text)});
  response.end(text);
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
