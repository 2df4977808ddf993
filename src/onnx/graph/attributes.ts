/** Attributes that passes make. */
import { ATTRIBUTE_TYPE, type AttributeProto, type TensorProto } from "../proto.ts";

const BARE: AttributeProto = {
  floats: [],
  ints: [],
  strings: [],
  tensors: [],
  graphs: [],
  type_protos: [],
  sparse_tensors: [],
};

const { FLOAT, INT, INTS, STRING, TENSOR } = ATTRIBUTE_TYPE;

export const floatAttribute = (name: string, f: number): AttributeProto => ({ ...BARE, name, f, type: FLOAT });

export const intAttribute = (name: string, i: number): AttributeProto => ({ ...BARE, name, i: BigInt(i), type: INT });

export const intsAttribute = (name: string, ints: readonly (number | bigint)[]): AttributeProto => ({
  ...BARE,
  name,
  ints: ints.map(BigInt),
  type: INTS,
});

export const textAttribute = (name: string, text: string): AttributeProto => ({
  ...BARE,
  name,
  s: new TextEncoder().encode(text),
  type: STRING,
});

export const tensorAttribute = (name: string, t: TensorProto): AttributeProto => ({ ...BARE, name, t, type: TENSOR });
