// Asks independent programs what they think of credentials. Each line of standard input
// is a request, {"op": ...}; each line of standard output its answer, with the
// milliseconds that it took on the wall and on all processors. What a library throws is
// the answer {"error": ...}.
import {createInterface} from 'node:readline';
import {serve} from './web.mjs';
import {newKey} from './keys.mjs';
import * as domains from './domains.mjs';
import * as graphs from './graphs.mjs';
import * as histories from './histories.mjs';
import * as proofs from './proofs.mjs';
import * as tokens from './tokens.mjs';

// Standard output is for answers alone; libraries that talk do so elsewhere.
console.log = console.info = console.error;

const deeds = {...domains, ...graphs, ...histories, ...proofs, ...tokens, key: newKey, serve: ({url, doc}) => serve(url, doc)};

async function answer(line) {
  const {op, ...request} = JSON.parse(line);
  if(!Object.hasOwn(deeds, op)) {
    return {error: `there is no ${op}`};
  }
  const before = process.cpuUsage(), start = performance.now();
  let result;
  try {
    result = await deeds[op](request);
  } catch(e) {
    result = {error: [e.name, e.message, e.details?.code, e.cause?.message].filter(Boolean).join(': ')};
  }
  const wall = performance.now() - start, cpu = process.cpuUsage(before);
  return {...result, wall, cpu: (cpu.user + cpu.system) / 1000};
}

for await (const line of createInterface({input: process.stdin, crlfDelay: Infinity})) {
  process.stdout.write(`${JSON.stringify(await answer(line))}\n`);
}
