/** The public surface of @xiplab/testkit. */
export * from "./model/apply-to-model.ts";
export { Content } from "./model/content.ts";
export { ModelFile, ModelRegion } from "./model/model-file.ts";
export { ModelFs, type ModelLimits } from "./model/model-fs.ts";
export { ModelNode } from "./model/node.ts";
export * from "./operations.ts";
export * from "./pattern.ts";
export * from "./users.ts";
export { Program, applyOperation, toStatValue } from "./apply.ts";
export { type CompareConfig, compareWithModel, replay } from "./compare/compare-with-model.ts";
export { treeOfMount } from "./compare/mount-tree.ts";
export * from "./compare/results.ts";
export * from "./compare/tree.ts";
export { generateOperations, OperationsArbitrary } from "./generate/arbitrary.ts";
export type { GeneratorConfig } from "./generate/draw.ts";
export { DEFAULT_CONFIG, Generator } from "./generate/generator.ts";
export * from "./mark.ts";
export * from "./volume.ts";
export {
  contract,
  type ContractConfig,
  type DataPathChoice,
  type Runner,
  SoundDataPaths,
  unsoundControls,
} from "./contract/contract.ts";
export { ContractError } from "./contract/expect.ts";
