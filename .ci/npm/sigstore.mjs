// Outside maker and judge of bundles: npm's sigstore packages, without a network. What is read and written is JSON.
//
//   judge: { "key": PEM, "bundles": [BUNDLE...], "digests": [SHA256...]? } -> ["ok" | WHY ...], the digests that the bundles shall be of
//   make: { "statement": TEXT, "payload": TEXT } -> { "key": PEM, "log": PEM, "logged": BUNDLE, "bare": BUNDLE, "simple": {..} }

import crypto from 'node:crypto';
import { readFileSync } from 'node:fs';

import { bundleFromJSON, bundleToJSON } from '@sigstore/bundle';
import { mockRekor } from '@sigstore/mock';
import { DSSEBundleBuilder, MessageSignatureBundleBuilder, RekorWitness } from '@sigstore/sign';
import { Verifier, toSignedEntity } from '@sigstore/verify';

const LOG = 'https://rekor.test.invalid';
const IN_TOTO = 'application/vnd.in-toto+json';
const pem = (key) => key.export({ type: 'spki', format: 'pem' });
const pair = () => crypto.generateKeyPairSync('ec', { namedCurve: 'prime256v1' });

function judge({ key, bundles, digests }) {
  const publicKey = crypto.createPublicKey(key);
  const trust = {
    certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [],
    publicKey: () => ({ publicKey, validFor: () => true }),
  };
  const verifier = new Verifier(trust, { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 });
  return bundles.map((json, at) => {
    try {
      const bundle = bundleFromJSON(json);
      verifier.verify(toSignedEntity(bundle));
      // The package leaves it to its callers what a statement is about.
      const { subject } = JSON.parse(bundle.content.dsseEnvelope.payload);
      const of = subject.map(({ digest }) => digest.sha256).join();
      return !digests || of === digests[at] ? 'ok' : `it is of ${of}`;
    } catch (error) {
      return `${error.code ?? error.name}: ${error.message}`;
    }
  });
}

async function make({ statement, payload }) {
  const [ours, log] = [pair(), pair()];
  const publicKey = pem(ours.publicKey);
  const hint = crypto.createHash('sha256').update(ours.publicKey.export({ type: 'spki', format: 'der' })).digest('base64');
  const signer = {
    sign: async (data) => ({
      signature: crypto.sign('sha256', data, ours.privateKey),
      key: { $case: 'publicKey', publicKey, hint },
    }),
  };
  const witness = new RekorWitness({ rekorBaseURL: LOG, entryType: 'dsse' });
  // The log answers once each time.
  const opened = () => mockRekor({ baseURL: LOG, keyPair: log });
  const artifact = { type: IN_TOTO, data: Buffer.from(statement) };
  const sign = (witnesses) => new DSSEBundleBuilder({ signer, witnesses }).create(artifact);
  await opened();
  const logged = await sign([witness]);
  await opened();
  const message = await new MessageSignatureBundleBuilder({ signer, witnesses: [witness] })
    .create({ data: Buffer.from(payload) });
  const [entry] = message.verificationMaterial.tlogEntries;
  return {
    key: publicKey,
    log: pem(log.publicKey),
    logged: bundleToJSON(logged),
    bare: bundleToJSON(await sign([])),
    simple: {
      signature: message.content.messageSignature.signature.toString('base64'),
      // As cosign keeps an entry with a signature.
      log: JSON.stringify({
        SignedEntryTimestamp: entry.inclusionPromise.signedEntryTimestamp.toString('base64'),
        Payload: {
          body: entry.canonicalizedBody.toString('base64'),
          integratedTime: Number(entry.integratedTime),
          logIndex: Number(entry.logIndex),
          logID: entry.logId.keyId.toString('hex'),
        },
      }),
    },
  };
}

const asked = JSON.parse(readFileSync(0));
const answer = asked.bundles ? judge(asked) : await make(asked);
process.stdout.write(JSON.stringify(answer));
