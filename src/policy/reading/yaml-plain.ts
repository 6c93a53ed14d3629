import { type Alias, isAlias, isMap, isScalar, isSeq, type YAMLMap } from 'yaml';
import { quote } from '../finding.ts';

/** Nodes that aliases may stand for, all together: enough for shared lists, too few for a "billion laughs" file. */
const ALIASED_NODES_MAX = 100_000;

interface Walk {
  readonly at: (offset: number, message: string) => void;
  readonly anchors: Map<string, { readonly value: unknown; readonly nodes: number }>;
  nodes: number;
  aliasedNodes: number;
}

/**
 * Turns YAML nodes into plain data. Done here and not by the library's `toJS`, which throws on the first bad alias without its
 * place, and because a validator that copies maps would drop a key called `__proto__`: a condition that vanishes widens its rule.
 * @param at reports an error at an offset of the text.
 */
export function toPlain(contents: unknown, at: Walk['at']): unknown {
  return plain(contents, { at, anchors: new Map(), nodes: 0, aliasedNodes: 0 });
}

function plain(node: unknown, walk: Walk): unknown {
  if (isAlias(node)) return plainAlias(node, walk);
  const before = walk.nodes + walk.aliasedNodes;
  walk.nodes += 1;
  let value: unknown = null;
  if (isMap(node)) value = plainMap(node, walk);
  else if (isSeq(node)) value = node.items.map((item) => plain(item, walk));
  else if (isScalar(node)) value = node.value;
  else return null;
  if (node.anchor !== undefined) {
    walk.anchors.set(node.anchor, { value, nodes: walk.nodes + walk.aliasedNodes - before });
  }
  return value;
}

function plainMap(map: YAMLMap, walk: Walk): Record<string, unknown> {
  const value: Record<string, unknown> = {};
  for (const { key, value: item } of map.items) {
    const offset = (isScalar(key) ? key.range?.[0] : undefined) ?? map.range?.[0] ?? 0;
    if (!isScalar(key) || typeof key.value !== 'string') walk.at(offset, 'is a key that is no text');
    else if (key.value === '<<')
      walk.at(offset, 'is a merge key, which is not read; repeat the keys, or name the whole value with an alias');
    else if (key.value === '__proto__') walk.at(offset, 'is not a name that can be used here');
    else value[key.value] = plain(item, walk);
  }
  return value;
}

function plainAlias(alias: Alias, walk: Walk): unknown {
  const offset = alias.range?.[0] ?? 0;
  const target = walk.anchors.get(alias.source);
  if (target === undefined) {
    // "*.example.com" without quotes is the most natural mistake in a file of host patterns.
    walk.at(offset, `is read as a YAML alias; put it in quotes: ${quote(`*${alias.source}`)}`);
    return `*${alias.source}`;
  }
  const before = walk.aliasedNodes;
  walk.aliasedNodes += target.nodes;
  if (walk.aliasedNodes <= ALIASED_NODES_MAX) return target.value;
  if (before <= ALIASED_NODES_MAX)
    walk.at(offset, `makes the aliases of this file stand for more than ${ALIASED_NODES_MAX} values`);
  return null;
}
