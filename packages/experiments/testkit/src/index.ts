/** The public surface of @xiplab/testkit. */
export * from "./model/apply-to-model.ts";
export { Content } from "./model/content.ts";
export { ModelFile, ModelRegion } from "./model/model-file.ts";
export { ModelFs, type ModelLimits } from "./model/model-fs.ts";
export { ModelNode } from "./model/node.ts";
export * from "./operations.ts";
export * from "./pattern.ts";
export * from "./users.ts";
