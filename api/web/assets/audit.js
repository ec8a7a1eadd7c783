// The auditor's page checks a receipt in the browser, and puts beside it what this node says
// and the command that asks the chain instead.

const at = (id) => document.getElementById(id);
const form = at("audit");

function element(name, content) {
  const e = document.createElement(name);
  e.textContent = content;
  return e;
}

const { partsOf, titleOf, noun } = clrReceiptPicture;

/** The row of the batch with a receipt's root, if the page has it. */
const rowOf = (receipt) => [...document.querySelectorAll("tr[data-root]")].find((r) => r.dataset.root === receipt.root);

/**
 * What this node says of what a receipt is of: its receipt as it is now, or null. An ownership
 * is the learner's to show: by its digest the node tells nobody anything.
 */
async function askNode(found) {
  if (!found.receipt || found.kind === "ownership") return null;
  const answer = await fetch(`/anchors/${found.receipt.digest.slice(2)}`, { headers: { Accept: "application/json" } });
  if (answer.status === 404) return null;
  if (!answer.ok) throw new Error(`it answers with status ${answer.status}`);
  return answer.json();
}

/** What the checker finds, and as node of each part what this node says, or an Error. */
async function check(file, record) {
  const block = at("block").value.trim();
  let found = await clrReceipt.check(file, record, block ? { blockHash: block } : {});
  const nodes = await Promise.all(partsOf(found).map((f) => askNode(f).catch((e) => e)));
  if (!block && partsOf(found).some((f) => f.code === "no_chain")) {
    const blocks = partsOf(found).map((f, i) => nodes[i]?.block?.hash ?? rowOf(f.receipt)?.dataset.block).filter(Boolean);
    const again = await clrReceipt.check(file, record, { blockHash: blocks.join(), word: "this node’s" });
    for (const f of partsOf(again)) f.byNode = f.code !== "no_chain";
    again.byNode = again.code !== "no_chain";
    if (partsOf(again).some((f) => f.byNode)) found = again;
  }
  partsOf(found).forEach((f, i) => { f.node = nodes[i]; });
  return found;
}

const phases = {
  pending: "pending: in no batch, or on the way to one", submitted: "submitted: sent to the chain", mined: "mined: in a block",
  confirmed: "confirmed: in a block, almost final", final: "final",
};

/** The node's words on one part, with a sentence for what differs from the receipt. */
function nodeWords({ receipt, node, ...found }) {
  const words = [], what = noun(found);
  const say = (sentence) => words.push(element("p", sentence));
  if (receipt.log !== form.dataset.log.toLowerCase().replace(/^.*:/, "")) say("The receipt is of another log than the one on this page.");
  if (node instanceof Error) say(`It gave no answer (${node.message}). Try again later.`);
  else if (found.kind === "ownership") say("What shows an ownership is the learner’s to give, so this node says nothing of it to others, and wasn’t asked.");
  else if (!node) say(`It knows no ${what} with this digest.`);
  else {
    const list = document.createElement("dl");
    list.className = "pairs";
    const pair = (name, value) => list.append(element("dt", name), element("dd", value));
    pair("State", phases[node.phase] ?? node.phase);
    if (node.count) {
      pair("Root", node.root);
      pair("Leaves", `${node.count}; the ${what} is leaf ${node.index}, counted from 0`);
    }
    if (node.block) {
      pair("Place in the log", `${node.seq}, after ${node.firstLeaf} leaves`);
      pair("Time", node.block.time.replace("T", " ").replace("Z", " UTC"));
      pair("Block", `${node.block.number}, ${node.block.hash}`);
    }
    if (node.tx) pair("Transaction", node.tx);
    words.push(list);
    if (node.count && receipt.count !== "0" && node.root !== receipt.root) say("That is another root than the one in the receipt.");
    if (node.block && !receipt.block) {
      const p = element("p", `The receipt is older: since then the ${what} was anchored. `);
      const link = element("a", "The newest receipt");
      link.href = `/anchors/${receipt.digest.slice(2)}`;
      link.download = "receipt.json";
      p.append(link);
      words.push(p);
    } else if (node.block && node.block.hash !== receipt.block.hash) say("That is another block than the one in the receipt.");
  }
  const row = rowOf(receipt);
  if (row) say(`The root is the one of batch ${row.querySelector("th").innerText.trim()} below.`);
  return words;
}

/**
 * A word of a command line, for a POSIX shell. A name with control characters in it, which a
 * terminal would take for keys, has to be typed by who wants it.
 */
const quoted = (word) => (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(word) ? "FILE" : /^[\w./:@-]+$/.test(word) && !word.startsWith("-") ? word : `'${word.replace(/'/g, "'\\''")}'`);

/** The command that checks one file without this page. */
function commandOf({ file, answer }, record, hashes) {
  const { receipt } = partsOf(answer)[0];
  const url = receipt.chain.local ? "" : " --rpc URL";
  if (answer.parts) return `node clr-receipt-check.js ${quoted(file.name)} ${hashes.length ? `--block-hash ${hashes.join()}` : "--rpc URL"}`;
  let command = `clrnode audit --${answer.kind ?? "receipt"} ${quoted(file.name)}`;
  if (record) command += ` --record ${quoted(record.name)}`;
  if (!hashes.length) return command + url;
  return `${command} --offline --block-hash ${hashes.find((h) => h === receipt.block?.hash) ?? hashes[0]}`;
}

/** How the commands for files of one chain are to be run. */
function hintOf(found, chain, offline) {
  const copies = found.filter((one) => one.answer.parts).length;
  let hint = `Who doesn’t trust this node asks the chain with this command. URL is a node of chain ${chain.id} that you trust.`;
  if (offline) hint = "Who doesn’t trust this page runs this command, which asks nobody.";
  else if (chain.local && copies === found.length) hint = "Who doesn’t trust this page runs this command, with the URL that clrnode chain info prints.";
  else if (chain.local) {
    hint = "Who doesn’t trust this page runs this command on the node’s machine, where the folder with its data is; " +
      "elsewhere with --rpc and the URL that clrnode chain info prints.";
  }
  return copies ? `${hint} Copies are checked by the program for Node.js that this node has as /receipt-checker.js.` : hint;
}

function commands(found) {
  const { receipt } = partsOf(found[0].answer)[0];
  const hashes = at("block").value.toLowerCase().match(/\b0x[0-9a-f]{64}\b/g) ?? [];
  at("command").textContent = found.map((one) => commandOf(one, form.elements.record.files[0], hashes)).join("\n");
  at("command-hint").textContent = hintOf(found, receipt.chain, hashes.length > 0);
  at("command-log").textContent = `clrnode audit --log eip155:${receipt.chain.id}:${receipt.log}${receipt.chain.local ? "" : " --rpc URL"}`;
}

/** Marks the batches of which something was found. */
let roots = [];
function mark() {
  for (const row of document.querySelectorAll("tr[data-root]")) row.classList.toggle("found", roots.includes(row.dataset.root));
}
addEventListener("looked-again", mark);

/** Shows what this node says of the files that could be read. */
function done(all) {
  const found = all.filter((one) => partsOf(one.answer).some((f) => f.receipt));
  const parts = found.flatMap((one) => partsOf(one.answer));
  at("node-says").hidden = !parts.length;
  roots = parts.map((f) => f.receipt.root);
  mark();
  if (!parts.length) return;
  at("node-words").replaceChildren(...parts.flatMap((f) => [...parts.length > 1 ? [element("h3", titleOf(f))] : [], ...nodeWords(f)]));
  commands(found);
}

clrReceiptForm.attach(form, { verdict: at("verdict"), way: at("way"), list: at("steps"), check, done });
form.hidden = false;
