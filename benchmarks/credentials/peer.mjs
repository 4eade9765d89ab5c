// The peer: @digitalbazaar/vc with its eddsa-rdfc-2022 and eddsa-jcs-2022 suites, driven line by line from run.py.
// Each request {op, count} answers {cpu_us, wall_us} for `count` operations; contexts come from memory, never the network.
import * as vc from '@digitalbazaar/vc';
import * as Ed25519Multikey from '@digitalbazaar/ed25519-multikey';
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import {cryptosuite as rdfc} from '@digitalbazaar/eddsa-rdfc-2022-cryptosuite';
import {createSignCryptosuite as jcsSign, createVerifyCryptosuite as jcsVerify} from
  '@digitalbazaar/eddsa-jcs-2022-cryptosuite';
import {readFileSync} from 'node:fs';
import {createInterface} from 'node:readline';

const [documentPath, contextFolder] = process.argv.slice(2);
const unsigned = JSON.parse(readFileSync(documentPath, 'utf8'));
const contexts = new Map([
  ['https://www.w3.org/ns/credentials/v2', 'credentials-v2.jsonld'],
  ['https://w3id.org/datasigil/v1', 'datasigil-v1.jsonld'],
  ['https://w3id.org/security/data-integrity/v2', 'data-integrity-v2.jsonld'],
].map(([url, file]) => [url, JSON.parse(readFileSync(`${contextFolder}/${file}`, 'utf8'))]));

const key = await Ed25519Multikey.generate();
const fragment = key.publicKeyMultibase;
key.id = `did:key:${fragment}#${fragment}`;
key.controller = `did:key:${fragment}`;
unsigned.issuer = key.controller;
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

const sign = {
  rdfc: () => new DataIntegrityProof({signer: key.signer(), cryptosuite: rdfc}),
  jcs: () => new DataIntegrityProof({signer: key.signer(), cryptosuite: jcsSign()}),
};
const verify = {
  rdfc: () => new DataIntegrityProof({cryptosuite: rdfc}),
  jcs: () => new DataIntegrityProof({cryptosuite: jcsVerify()}),
};

async function signed(suite) {
  return vc.issue({credential: structuredClone(unsigned), suite: sign[suite](), documentLoader});
}

const texts = {rdfc: JSON.stringify(await signed('rdfc')), jcs: JSON.stringify(await signed('jcs'))};

const operations = {
  sign: signed,
  async verify(suite) {
    // The registry and the command line both start from bytes, so parsing counts on either side.
    const result = await vc.verifyCredential({
      credential: JSON.parse(texts[suite]), suite: verify[suite](), documentLoader,
      checkStatus: async () => ({verified: true}),
    });
    if(!result.verified) {
      throw result.error;
    }
  },
};

for await (const line of createInterface({input: process.stdin})) {
  const {op, suite, count} = JSON.parse(line);
  const cpu = process.cpuUsage();
  const wall = process.hrtime.bigint();
  for(let turn = 0; turn < count; turn++) {
    await operations[op](suite);
  }
  const spent = process.cpuUsage(cpu);
  console.log(JSON.stringify({
    cpu_us: spent.user + spent.system, wall_us: Number((process.hrtime.bigint() - wall) / 1000n),
  }));
}
