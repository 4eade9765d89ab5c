// The peer of a cold check: one process that verifies one credential with @digitalbazaar/vc and ends.
//   node cold.mjs SIGNED.json CONTEXTS {rdfc|jcs}
import * as vc from '@digitalbazaar/vc';
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import {cryptosuite as rdfc} from '@digitalbazaar/eddsa-rdfc-2022-cryptosuite';
import {createVerifyCryptosuite as jcs} from '@digitalbazaar/eddsa-jcs-2022-cryptosuite';
import {readFileSync} from 'node:fs';

const [signed, contextFolder, suite] = process.argv.slice(2);
const credential = JSON.parse(readFileSync(signed, 'utf8'));
const method = credential.proof.verificationMethod;
const [did, fragment] = method.split('#');
const files = {
  'https://www.w3.org/ns/credentials/v2': 'credentials-v2.jsonld', 'https://w3id.org/datasigil/v1': 'datasigil-v1.jsonld',
  'https://w3id.org/security/data-integrity/v2': 'data-integrity-v2.jsonld',
};
const key = {
  '@context': 'https://w3id.org/security/multikey/v1', id: method, type: 'Multikey', controller: did, publicKeyMultibase: fragment,
};
const controller = {
  '@context': ['https://www.w3.org/ns/did/v1', 'https://w3id.org/security/multikey/v1'], id: did, verificationMethod: [key],
  assertionMethod: [method],
};

async function documentLoader(url) {
  const document = url in files ? JSON.parse(readFileSync(`${contextFolder}/${files[url]}`, 'utf8')) :
    url === method ? key : url === did ? controller : undefined;
  if(document === undefined) {
    throw new Error(`not in memory: ${url}`);
  }
  return {contextUrl: null, documentUrl: url, document};
}

const result = await vc.verifyCredential({
  credential, documentLoader, checkStatus: async () => ({verified: true}),
  suite: new DataIntegrityProof({cryptosuite: suite === 'jcs' ? jcs() : rdfc}),
});
process.exit(result.verified ? 0 : 1);
