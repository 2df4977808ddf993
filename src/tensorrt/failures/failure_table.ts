/**
 * What TensorRT's messages mean: data.
 *
 * Patterns are searched in one message of at most 4,000 characters. They hold no nested or unbounded repetition that
 * could backtrack, so that a search takes time in proportion to the message.
 */
import type { ErrorCode } from "../../errors.ts";

/** `symptom`: a message that follows from something said before; `note`: a remark that never fails anything. */
export type FailureRank = "cause" | "symptom" | "note";

export interface FailureRow {
  /** Stable name. */
  readonly id: string;
  readonly rank: FailureRank;
  /** The code of an error that has this cause, null for a `note`. */
  readonly code: ErrorCode | null;
  readonly pattern: RegExp;
  /** `{1}` is the pattern's first group; `{1:tag}` reads it as four characters, `{1:version}` as a version. */
  readonly cause: string;
  readonly remedy: string;
  /** Releases that say it. */
  readonly versions: string;
  /** Where the text is known from. */
  readonly source: string;
  /** A message that the row explains. */
  readonly sample: string;
  /** Whether the sample was logged by a library; otherwise its text is put into the form of that release. */
  readonly seen: boolean;
}

const BINARY = "text in TensorRT-RTX 1.4.0.76 and 1.7.1.116 or libnvinfer_lean 10.16.1 and 11.4.0";
const RUN = "logged by TensorRT-RTX 1.4.0.76 and 1.7.1.116 on a machine without a GPU";
const PUBLIC = "public log";

/** When two rows of one rank match the same message the earlier counts, so the more exact one stands first. */
export const FAILURES: readonly FailureRow[] = [
  // GPU and version at build time
  {
    id: "gpu-newer-than-tensorrt",
    rank: "cause",
    code: "GPU_UNSUPPORTED",
    pattern: /smVerHex2Dig|Assertion major >= 0 && major < 10 failed/,
    cause: "The GPU is newer than this TensorRT: releases below 10 read one digit of the major compute capability " +
      "(smVerHex2Dig), and this GPU's has two (RTX 50, B200, GB10, Thor)",
    remedy: "Install TensorRT 10.8 or later, built for CUDA 12.8 or later, or TensorRT-RTX",
    versions: "up to 8.6 (9.x inferred)",
    source: "log of TensorRT 8.6.1 on an RTX 5060 (12.0), 2025-12-22",
    sample:
      "2: [helpers.h::smVerHex2Dig::694] Error Code 2: Internal Error (Assertion major >= 0 && major < 10 failed. )",
    seen: true,
  },
  {
    id: "gpu-dropped-by-tensorrt",
    rank: "cause",
    code: "GPU_UNSUPPORTED",
    pattern: /Target GPU SM ([56]\d|7[0-4]) is not supported by this TensorRT release/,
    cause: "This TensorRT has dropped the GPU (SM {1}): Pascal and older (SM 5x and 6x) ended before 10.0, Volta (SM " +
      "70) with 10.4",
    remedy: "Install TensorRT 8.6 for SM 5x and 6x, TensorRT 10.4 or older for SM 70",
    versions: "10.0 and later",
    source: PUBLIC,
    sample:
      "IBuilder::buildSerializedNetwork: Error Code 9: API Usage Error (Target GPU SM 61 is not supported by this " +
      "TensorRT release. In checkCurrentSMEnabled at /_src/optimizer/common/builderHelpers.cpp:718)",
    seen: true,
  },
  {
    id: "gpu-needs-jetson-tensorrt",
    rank: "cause",
    code: "GPU_UNSUPPORTED",
    pattern: /Target GPU SM 87 is not supported by this TensorRT release/,
    cause: "This TensorRT is the build for ARM servers (SBSA), which has no code for a Jetson Orin (SM 87)",
    remedy: "Install the TensorRT of the board's JetPack, or a container made for Jetson (l4t)",
    versions: "10.x up to 11.4.0",
    source: "public report of the SBSA container 25.06 on a Jetson Orin",
    sample:
      "IBuilder::buildSerializedNetwork: Error Code 9: API Usage Error (Target GPU SM 87 is not supported by this " +
      "TensorRT release.)",
    seen: true,
  },
  {
    id: "gpu-newer-than-tensorrt-10",
    rank: "cause",
    code: "GPU_UNSUPPORTED",
    pattern: /Target GPU SM (1\d\d) is not supported by this TensorRT release/,
    cause: "The GPU (SM {1}) is newer than this TensorRT",
    remedy: "Install TensorRT 10.8 or later, built for CUDA 12.8 or later (13.0 or later for SM 110)",
    versions: "10.0 to 10.7, or a build for CUDA 11",
    source: "NVIDIA/TensorRT issue 4317",
    sample:
      "IBuilder::buildSerializedNetwork: Error Code 9: API Usage Error (Target GPU SM 120 is not supported by this " +
      "TensorRT release.)",
    seen: false,
  },
  {
    id: "gpu-not-in-tensorrt",
    rank: "cause",
    code: "GPU_UNSUPPORTED",
    pattern: /Target GPU SM (\d{1,4}) is not supported by this TensorRT release/,
    cause: "This TensorRT has no kernels for the GPU (SM {1})",
    remedy: "Install a release that supports the GPU; docs/tensorrt-gpu-support.md lists them",
    versions: "10.x, 11.x, TensorRT-RTX",
    source: BINARY,
    sample:
      "IBuilder::buildSerializedNetwork: Error Code 9: API Usage Error (Target GPU SM 90 is not supported by this " +
      "TensorRT release.)",
    seen: false,
  },
  {
    id: "gpu-older-than-turing",
    rank: "cause",
    code: "GPU_UNSUPPORTED",
    pattern: /SmVersion\{0x0705\} <= smVersion/,
    cause: "The GPU is older than Turing: TensorRT 11 begins with compute capability 7.5",
    remedy: "Install TensorRT 10.4 or older for Volta, 8.6 for Pascal and Maxwell",
    versions: "11.x",
    source: "public report of TensorRT 11.2 on a V100, 2026-08-16",
    sample: "createInferBuilder: Error Code 2: Internal Error (Assertion SmVersion{0x0705} <= smVersion failed. )",
    seen: false,
  },
  {
    id: "gpu-minor-unknown",
    rank: "cause",
    code: "GPU_UNSUPPORTED",
    pattern: /Assertion minorVersion <= 9 failed/,
    cause: "This TensorRT cannot read the minor number of the GPU's compute capability: the GPU is newer",
    remedy: "Install a newer TensorRT",
    versions: "10.x, 11.x, TensorRT-RTX",
    source: BINARY,
    sample: "createInferBuilder: Error Code 2: Internal Error (Assertion minorVersion <= 9 failed. )",
    seen: false,
  },
  {
    id: "tf32-off",
    rank: "note",
    code: null,
    pattern: /BuilderFlag::kTF32 is set but hardware does not support TF32/,
    cause: "TF32 is off: the GPU is older than compute capability 8.0, or newer than this TensorRT",
    remedy: "Ignore it below compute capability 8.0; on a newer GPU install a newer TensorRT",
    versions: "all",
    source: "log of TensorRT 8.6.1 on an RTX 5060; text in TensorRT-RTX 1.4 and 1.7",
    sample: "BuilderFlag::kTF32 is set but hardware does not support TF32. Disabling TF32.",
    seen: true,
  },
  {
    id: "no-kernel-image",
    rank: "cause",
    code: "GPU_UNSUPPORTED",
    pattern: /no kernel image is available for execution on the device/,
    cause: "The library has no code for this GPU, neither compiled nor as PTX (CUDA error 209)",
    remedy: "Install a newer TensorRT, built for a CUDA that knows the GPU",
    versions: "all",
    source: BINARY,
    sample: "[convolutionRunner.cpp::execute::391] Error Code 1: Cuda Runtime (no kernel image is available for " +
      "execution on the device)",
    seen: false,
  },
  {
    id: "builder-on-another-device",
    rank: "cause",
    code: "BUILD_FAILED",
    pattern: /Builder was created on a device\([^)]{0,200}\) different from the current device\(/,
    cause: "The current GPU was changed between making the builder and building",
    remedy: "Choose the GPU with --device alone; report it when trtd did this",
    versions: "11.x, TensorRT-RTX 1.7",
    source: BINARY,
    sample: "IBuilder::buildSerializedNetwork: Error Code 3: API Usage Error (Builder was created on a device(0) " +
      "different from the current device(1).)",
    seen: false,
  },
  {
    id: "target-invalid",
    rank: "cause",
    code: "GPU_UNSUPPORTED",
    pattern: /Compute capability is invalid or not supported/,
    cause: "TensorRT-RTX does not build for one of the targets",
    remedy: "Give --targets of 75, 80, 86, 89, 120 (from 1.5 also 121), or leave it out",
    versions: "TensorRT-RTX",
    source: RUN,
    sample: "IBuilderConfig::setComputeCapability: Error Code 3: API Usage Error (Parameter check failed, condition: " +
      "false. Compute capability is invalid or not supported. In validateComputeCapability at " +
      "/_src/optimizer/api/builderConfig.cpp:381)",
    seen: true,
  },
  {
    id: "target-index-invalid",
    rank: "cause",
    code: "INTERNAL",
    pattern: /Index of compute capability is not in a valid range/,
    cause: "The number of targets was not set before the targets",
    remedy: "Report it: trtd sets both",
    versions: "TensorRT-RTX",
    source: BINARY,
    sample: "IBuilderConfig::setComputeCapability: Error Code 3: API Usage Error (Parameter check failed, condition: " +
      "false. Index of compute capability is not in a valid range.)",
    seen: false,
  },
  {
    id: "bad-optional-access",
    rank: "symptom",
    code: "BUILD_FAILED",
    pattern: /Unexpected exception bad optional access/,
    cause: "The builder went on with targets that it had refused",
    remedy: "See the error before this one; correct --targets",
    versions: "TensorRT-RTX 1.7",
    source: RUN,
    sample: "Unexpected exception bad optional access",
    seen: true,
  },
  {
    id: "moe-needs-blackwell",
    rank: "cause",
    code: "GPU_UNSUPPORTED",
    pattern: /MoE requires Blackwell or Thor GPU architecture/,
    cause: "The model has a mixture-of-experts layer, which needs compute capability 10.x or 11.x",
    remedy: "Use a B200, B300 or Thor for this model",
    versions: "11.x, TensorRT-RTX 1.7",
    source: BINARY,
    sample:
      "INetworkDefinition::addMoE: Error Code 9: API Usage Error (MoE requires Blackwell or Thor GPU architecture " +
      "(SM 10.x or SM 11.x); SM 12.x not yet supported)",
    seen: false,
  },

  // loading an engine
  {
    id: "engine-of-another-gpu",
    rank: "cause",
    code: "ENGINE_INCOMPATIBLE",
    pattern: /generated on an incompatible device, expecting compute (\d{1,3}\.\d) got compute (\d{1,3}\.\d)/,
    cause: "The engine was built for compute capability {2}, but this GPU has {1}",
    remedy: "Build the engine on this GPU, choose the other GPU with --device, or build with hardware compatibility",
    versions: "all",
    source: "NVIDIA/TensorRT issue 2177; order of the numbers by microsoft/onnxruntime issue 15250",
    sample: "6: The engine plan file is generated on an incompatible device, expecting compute 8.9 got compute 7.5, " +
      "please rebuild.",
    seen: true,
  },
  {
    id: "engine-needs-ampere",
    rank: "cause",
    code: "ENGINE_INCOMPATIBLE",
    pattern: /current device is not compatible with this hardware-compatible engine/,
    cause: "The engine was built for compute capability 8.0 and later, and this GPU is older",
    remedy: "Build the engine on this GPU",
    versions: "8.6 and later",
    source: BINARY,
    sample:
      "IRuntime::deserializeCudaEngine: Error Code 6: API Usage Error (The current device is not compatible with " +
      "this hardware-compatible engine. Expected compute capability >= 8.0 got compute 7.5, please rebuild.)",
    seen: false,
  },
  {
    id: "engine-of-another-model-of-gpu",
    rank: "note",
    code: null,
    pattern: /Using an engine plan file across different models of devices/,
    cause: "The engine was built on another model of GPU with the same compute capability",
    remedy: "Build the engine on this GPU for the best speed",
    versions: "all",
    source: BINARY,
    sample: "Using an engine plan file across different models of devices is not supported and is likely to affect " +
      "performance or even cause errors or deadlock.",
    seen: false,
  },
  {
    id: "engine-serialization-version",
    rank: "cause",
    code: "ENGINE_INCOMPATIBLE",
    pattern: /Version tag does not match\. ?Note: Current Version: (\d{1,6}), Serialized Engine Version: (\d{1,6})/,
    cause: "The engine was built by another TensorRT (its format is {2}, this TensorRT's {1}; these are not releases)",
    remedy: "Build the engine again with this TensorRT",
    versions: "7.x to 11.x",
    source: `${PUBLIC}s; NVIDIA/TensorRT issues 2041 and 2195`,
    sample: "1: [stdArchiveReader.cpp::StdArchiveReader::42] Error Code 1: Serialization (Serialization assertion " +
      "stdVersionRead == serializationVersion failed.Version tag does not match. Note: Current Version: 232, " +
      "Serialized Engine Version: 213)",
    seen: true,
  },
  {
    id: "engine-of-another-tensorrt",
    rank: "cause",
    code: "ENGINE_INCOMPATIBLE",
    pattern:
      /not compatible with this version of TensorRT, expecting library version ([\d.]{1,40})(?: got ([\d.]{1,40}))?/,
    cause: "The engine was built by {2:version}, but this is TensorRT {1}",
    remedy: "Build the engine again with this TensorRT, or build it version-compatible",
    versions: "all",
    source: PUBLIC,
    sample:
      "6: The engine plan file is not compatible with this version of TensorRT, expecting library version 8.6.1.6 " +
      "got 8.6.0.12, please rebuild.",
    seen: true,
  },
  {
    id: "engine-of-rtx",
    rank: "cause",
    code: "ENGINE_INCOMPATIBLE",
    pattern: /incompatible serialization version \(1953657974 != 1953657958\)/,
    cause: "The engine was built by TensorRT-RTX, but this is TensorRT",
    remedy: "Build the engine again with this TensorRT, or run it with TensorRT-RTX",
    versions: "10.x, 11.x",
    source: "tags measured in plans; text logged by TensorRT-RTX",
    sample:
      "IRuntime::deserializeCudaEngine: Error Code 1: Serialization (Serialization assertion header.magicTag == " +
      "kEXPECTED_MAGIC_TAG failed.Trying to load an engine created with incompatible serialization version " +
      "(1953657974 != 1953657958). Check that the engine was not created using safety runtime)",
    seen: false,
  },
  {
    id: "engine-of-tensorrt",
    rank: "cause",
    code: "ENGINE_INCOMPATIBLE",
    pattern: /incompatible serialization version \(1953657958 != 1953657974\)/,
    cause: "The engine was built by TensorRT, but this is TensorRT-RTX",
    remedy: "Build the engine again with this TensorRT-RTX, or run it with TensorRT",
    versions: "TensorRT-RTX",
    source: "tags measured in plans; text logged by TensorRT-RTX",
    sample:
      "IRuntime::deserializeCudaEngine: Error Code 1: Serialization (Serialization assertion header.magicTag == " +
      "kEXPECTED_MAGIC_TAG failed.Trying to load an engine created with incompatible serialization version " +
      "(1953657958 != 1953657974). Check that the engine was not created using safety runtime)",
    seen: false,
  },
  {
    id: "engine-with-json-before",
    rank: "cause",
    code: "ENGINE_NOT_A_PLAN",
    pattern: /incompatible serialization version \((\d{1,5}) != 19536579(?:58|74)\)/,
    cause: "The file begins with {1} bytes of JSON, as Ultralytics writes; the plan comes after them",
    remedy: "Build the engine with trtd, or export it without the metadata",
    versions: "9.3 and later",
    source: "public log of TensorRT 10 (614 != 1953657958)",
    sample:
      "IRuntime::deserializeCudaEngine: Error Code 1: Serialization (Serialization assertion header.magicTag == " +
      "kEXPECTED_MAGIC_TAG failed.Trying to load an engine created with incompatible serialization version (614 != " +
      "1953657958). Check that the engine was not created using safety runtime)",
    seen: false,
  },
  {
    id: "engine-tag-unknown",
    rank: "cause",
    code: "ENGINE_NOT_A_PLAN",
    pattern: /incompatible serialization version \((\d{6,10}) != 19536579(?:58|74)\)/,
    cause: "The file is not an engine: it begins with {1:tag}",
    remedy: "Give an engine file; for an ONNX model use trtd build-engine",
    versions: "9.3 and later",
    source: RUN,
    sample:
      "IRuntime::deserializeCudaEngine: Error Code 1: Serialization (Serialization assertion header.magicTag == " +
      "kEXPECTED_MAGIC_TAG failed.Trying to load an engine created with incompatible serialization version " +
      "(1819043176 != 1953657974). Check that the engine was not created using safety runtime, same OS was used " +
      "and version compatibility parameters were set accordingly and that it is a TRT engine file. In " +
      "throwUnlessHeaderOk at /_src/runtime/dispatch/runtime.cpp:48)",
    seen: true,
  },
  {
    id: "engine-not-a-plan",
    rank: "cause",
    code: "ENGINE_NOT_A_PLAN",
    pattern: /magicTag == [\w:]{1,60} failed/,
    cause: "The file is not an engine of this TensorRT: something else, or a format from 8.5 or older",
    remedy: "Look at the file with trtd inspect; build the engine again with this TensorRT",
    versions: "8.5 and later",
    source: "NVIDIA/TensorRT issue 2915",
    sample:
      "1: [runtime.cpp::parsePlan::314] Error Code 1: Serialization (Serialization assertion plan->header.magicTag " +
      "== rt::kPLAN_MAGIC_TAG failed.)",
    seen: true,
  },
  {
    id: "engine-size-wrong",
    rank: "cause",
    code: "ENGINE_CORRUPT",
    pattern: /(?:plan\.header\.size == |cursor (?:<|==) )blobSize failed/,
    cause: "The engine file is cut short or has bytes after its end",
    remedy: "Copy the file again and compare its size, or build the engine again",
    versions: "8.6 and later",
    source: RUN,
    sample:
      "IRuntime::deserializeCudaEngine: Error Code 1: Serialization (Serialization assertion plan.header.size == " +
      "blobSize failed. In parsePlan at /_src/runtime/dispatch/runtime.cpp:780)",
    seen: true,
  },
  {
    id: "engine-empty",
    rank: "cause",
    code: "ENGINE_CORRUPT",
    pattern: /Cannot deserialize (?:empty blob|with an empty (?:blob|memory buffer))/,
    cause: "The engine file has no bytes",
    remedy: "Build the engine again",
    versions: "all",
    source: BINARY,
    sample: "IRuntime::deserializeCudaEngine: Error Code 3: API Usage Error (Cannot deserialize with an empty memory " +
      "buffer.)",
    seen: false,
  },
  {
    id: "engine-of-another-platform",
    rank: "cause",
    code: "ENGINE_INCOMPATIBLE",
    pattern: /Platform specific tag mismatch detected|header\.pad == expectedPlatformTag failed/,
    cause: "The engine was built for another operating system or processor",
    remedy: "Build the engine on this machine",
    versions: "8.6 and later",
    source: BINARY,
    sample: "IRuntime::deserializeCudaEngine: Error Code 1: Serialization (Serialization assertion header.pad == " +
      "expectedPlatformTag failed.Platform specific tag mismatch detected. TensorRT plan files are only supported " +
      "on the target runtime platform they were created on.)",
    seen: false,
  },
  {
    id: "engine-host-code-refused",
    rank: "cause",
    code: "ENGINE_INCOMPATIBLE",
    pattern: /Cannot deserialize engine with lean runtime since IRuntime::getEngineHostCodeAllowed\(\) is false/,
    cause: "The engine is version-compatible and carries a runtime of its own, which may not run unless it is trusted",
    remedy: "Build the engine on this machine, or allow the code of engines that you trust",
    versions: "8.6 and later",
    source: BINARY,
    sample:
      "IRuntime::deserializeCudaEngine: Error Code 4: API Usage Error (Cannot deserialize engine with lean runtime " +
      "since IRuntime::getEngineHostCodeAllowed() is false.)",
    seen: false,
  },
  {
    id: "engine-version-locked",
    rank: "cause",
    code: "ENGINE_INCOMPATIBLE",
    pattern: /plan major version does not match runtime|Forward Compatibility supported starting|and is version-locked/,
    cause: "The engine was built by another TensorRT and is not version-compatible with this one",
    remedy: "Build the engine again with this TensorRT",
    versions: "8.6 and later",
    source: BINARY,
    sample:
      "IRuntime::deserializeCudaEngine: Error Code 6: API Usage Error (TensorRT plan major version does not match " +
      "runtime major version. Plan version: 8.6.1.6, runtime library version: 10.16.1.11)",
    seen: false,
  },
  {
    id: "engine-layout-newer",
    rank: "cause",
    code: "ENGINE_INCOMPATIBLE",
    pattern: /Failed due to an old deserialization call on a newer plan file/,
    cause: "The engine's layout is not that of this TensorRT",
    remedy: "Build the engine again with this TensorRT",
    versions: "10.x and later",
    source: BINARY,
    sample:
      "IRuntime::deserializeCudaEngine: Error Code 1: Serialization (Failed due to an old deserialization call on " +
      "a newer plan file. This might happen when the plan file was built from an older TensorRT version.)",
    seen: false,
  },
  {
    id: "engine-plugin-unknown",
    rank: "cause",
    code: "PLUGIN_MISSING",
    pattern: /getPluginCreator could not find plugin:? ?(\S{1,120}) version:? ?([\w.]{1,40})/,
    cause: "The plugin {1} (version {2}) is not registered: its library was not loaded, or TensorRT is older than it",
    remedy: "Install the plugin library beside TensorRT (libnvinfer_plugin), or build the engine without the plugin",
    versions: "7.x to 9.x",
    source: PUBLIC,
    sample: "3: getPluginCreator could not find plugin: SplitToSequence version: 1",
    seen: true,
  },
  {
    id: "plugin-not-in-registry",
    rank: "cause",
    code: "PLUGIN_MISSING",
    pattern: /Cannot find plugin: ([^,\n]{1,120}), version: ([^,\n]{1,40})/,
    cause: "The plugin {1} (version {2}) is not registered: its library was not loaded, or TensorRT does not have it",
    remedy: "Install the plugin library beside TensorRT (libnvinfer_plugin), or export the model without the operator",
    versions: "10.7 and later",
    source: BINARY,
    sample:
      "IPluginRegistry::getCreator: Error Code 4: API Usage Error (Cannot find plugin: EfficientNMS_TRT, version: " +
      "1, namespace:.)",
    seen: false,
  },
  {
    id: "plugin-creator-missing",
    rank: "symptom",
    code: "PLUGIN_MISSING",
    pattern: /corresponding IPluginCreator(?:Interface)? not found in Plugin Registry/,
    cause: "The engine has a plugin that is not registered",
    remedy: "Install the plugin library beside TensorRT (libnvinfer_plugin), or build the engine without the plugin",
    versions: "all",
    source: `${PUBLIC}; ${BINARY}`,
    sample: "1: [pluginV2Runner.cpp::load::308] Error Code 1: Serialization (Serialization assertion creator " +
      "failed.Cannot deserialize plugin since corresponding IPluginCreator not found in Plugin Registry)",
    seen: true,
  },
  {
    id: "engine-for-dla",
    rank: "cause",
    code: "ENGINE_INCOMPATIBLE",
    pattern: /built with EngineCapability::kDLA_STANDALONE/,
    cause: "The engine is a loadable for cuDLA, not for TensorRT's runtime",
    remedy: "Build the engine for the GPU",
    versions: "all",
    source: BINARY,
    sample:
      "IRuntime::deserializeCudaEngine: Error Code 3: API Usage Error (Cannot deserialize serialized engine built " +
      "with EngineCapability::kDLA_STANDALONE, use cuDLA APIs instead.)",
    seen: false,
  },
  {
    id: "engine-for-safety",
    rank: "cause",
    code: "ENGINE_INCOMPATIBLE",
    pattern: /Cannot deserialize safety engine/,
    cause: "The engine is for the safety runtime",
    remedy: "Build a standard engine",
    versions: "all",
    source: BINARY,
    sample: "IRuntime::deserializeCudaEngine: Error Code 3: API Usage Error (Cannot deserialize safety engine, use " +
      "safety public APIs instead.)",
    seen: false,
  },
  {
    id: "rtx-gpu-never",
    rank: "cause",
    code: "GPU_UNSUPPORTED",
    pattern: /TensorRT-RTX does not support this compute capability/,
    cause: "This TensorRT-RTX refuses the GPU whatever the engine",
    remedy: "On compute capability 9.0 install TensorRT-RTX 1.4 to 1.6 or TensorRT; on 10.x and 7.0 TensorRT",
    versions: "TensorRT-RTX 1.7",
    source: BINARY,
    sample:
      "IRuntime::deserializeCudaEngine: Error Code 6: API Usage Error (The engine cannot run on this GPU, which " +
      "has compute capability 9.0. Supported compute capabilities: None. TensorRT-RTX does not support this compute " +
      "capability, so the engine cannot be rebuilt for it.)",
    seen: true,
  },
  {
    id: "rtx-engine-for-other-targets",
    rank: "cause",
    code: "ENGINE_INCOMPATIBLE",
    pattern: /Rebuild the engine for compute capability (\d{1,3}\.\d)/,
    cause: "The engine was built for other targets than this GPU ({1})",
    remedy: "Build it again with this GPU among --targets, or without --targets",
    versions: "TensorRT-RTX 1.7",
    source: BINARY,
    sample:
      "IRuntime::deserializeCudaEngine: Error Code 9: API Usage Error (The engine cannot run on this GPU, which " +
      "has compute capability 8.9. Supported compute capabilities: 12.0. Rebuild the engine for compute capability " +
      "8.9 with IBuilderConfig::setComputeCapability, or leave the compute capability unset.)",
    seen: false,
  },
  {
    id: "rtx-engine-not-for-gpu",
    rank: "cause",
    code: "ENGINE_INCOMPATIBLE",
    pattern:
      /engine (?:cannot run on this GPU, which has|does not support the current) compute capability (\d{1,3}\.\d)/,
    cause: "The engine has no code for this GPU (compute capability {1}), or TensorRT-RTX does not support it",
    remedy: "Build it again with this GPU among --targets; on compute capability 9.0 use TensorRT-RTX 1.4 to 1.6",
    versions: "TensorRT-RTX",
    source: "logged by TensorRT-RTX 1.7.1.116 on an H100; text in 1.4.0.76",
    sample:
      "IRuntime::deserializeCudaEngine: Error Code 9: API Usage Error (The engine cannot run on this GPU, which " +
      "has compute capability 9.0.)",
    seen: false,
  },
  {
    id: "rtx-engine-of-another-version",
    rank: "cause",
    code: "ENGINE_INCOMPATIBLE",
    pattern: /The engine has been created with TensorRT-RTX version ([\w.]{1,40})/,
    cause: "The engine was built by TensorRT-RTX {1}; only that version can run it",
    remedy: "Build the engine again with this TensorRT-RTX",
    versions: "TensorRT-RTX",
    source: BINARY,
    sample: "IRuntime::deserializeCudaEngine: Error Code 6: API Usage Error (The engine has been created with " +
      "TensorRT-RTX version 1.4.0.76 but the current runtime is version 1.7.1.116. Rebuild the engine with the " +
      "same version of TensorRT-RTX as the current runtime.)",
    seen: false,
  },
  {
    id: "rtx-engine-too-large",
    rank: "cause",
    code: "OUT_OF_GPU_MEMORY",
    pattern: /The engine requires (\d{1,20}) bytes of GPU memory/,
    cause: "The engine needs {1} bytes of GPU memory, more than this GPU has",
    remedy: "Use a smaller model, batch or input size",
    versions: "TensorRT-RTX",
    source: BINARY,
    sample: "The engine requires 25769803776 bytes of GPU memory, but the current GPU only has 8589934592 bytes.",
    seen: false,
  },
  {
    id: "rtx-gpu-unreadable",
    rank: "cause",
    code: "GPU_UNAVAILABLE",
    pattern: /Error reading CUDA GPU properties/,
    cause: "TensorRT-RTX cannot ask the GPU what it is: there is no driver, or no GPU is visible",
    remedy: "Install the NVIDIA driver; in a container pass the GPU through (--gpus all)",
    versions: "TensorRT-RTX",
    source: RUN,
    sample:
      "Error reading CUDA GPU properties: CUDA driver is a stub library. Ensure that the GPU driver is installed.",
    seen: false,
  },
  {
    id: "destroyed-in-wrong-order",
    rank: "symptom",
    code: "INTERNAL",
    pattern: /Destroying (?:a runtime|a builder object|an engine object) before destroying/,
    cause: "Objects of TensorRT were freed in the wrong order",
    remedy: "Report it: trtd frees children before parents",
    versions: "all",
    source: BINARY,
    sample: "3: [runtime.cpp::~Runtime::346] Error Code 3: API Usage Error (Parameter check failed, condition: " +
      "mEngineCounter.use_count() == 1. Destroying a runtime before destroying deserialized engines created by the " +
      "runtime leads to undefined behavior.)",
    seen: false,
  },

  // CUDA
  {
    id: "cuda-init-no-memory",
    rank: "cause",
    code: "OUT_OF_GPU_MEMORY",
    pattern: /CUDA initialization failure with error:? 2\b/i,
    cause: "The GPU's memory is full before TensorRT starts (CUDA error 2)",
    remedy: "End other programs on the GPU (nvidia-smi lists them)",
    versions: "all",
    source: PUBLIC,
    sample:
      "createInferBuilder: Error Code 6: API Usage Error (CUDA initialization failure with error: 2. Please check " +
      "your CUDA installation)",
    seen: true,
  },
  {
    id: "cuda-init-driver-too-old",
    rank: "cause",
    code: "DRIVER_TOO_OLD",
    pattern: /CUDA initialization failure with error:? 35\b/i,
    cause: "The driver is older than the CUDA that TensorRT was built with, or there is no driver (CUDA error 35)",
    remedy:
      "Update the driver (580 or later for CUDA 13, 525 for CUDA 12), or install the build for an older CUDA (pip: " +
      "tensorrt-cu12)",
    versions: "all",
    source: "logged by libnvinfer_lean 10.16.1 and 11.4.0 without a driver",
    sample: "createInferRuntime: Error Code 6: API Usage Error (CUDA initialization failure with error: 35 In " +
      "checkCudaInstallation at /_src/runtime/dispatch/runtime.cpp:960)",
    seen: true,
  },
  {
    id: "cuda-init-device-busy",
    rank: "cause",
    code: "GPU_UNAVAILABLE",
    pattern: /CUDA initialization failure with error:? 46\b/i,
    cause: "All GPUs are busy or not available (CUDA error 46)",
    remedy: "End the program that holds the GPU exclusively; reboot when none does",
    versions: "all",
    source: PUBLIC,
    sample: "createInferBuilder: Error Code 6: API Usage Error (CUDA initialization failure with error: 46)",
    seen: true,
  },
  {
    id: "cuda-init-no-device",
    rank: "cause",
    code: "GPU_UNAVAILABLE",
    pattern: /CUDA initialization failure with error:? (?:38|100)\b/i,
    cause: "No GPU is visible to this process (CUDA error 100)",
    remedy: 'Unset CUDA_VISIBLE_DEVICES when it is "-1" or empty; in a container pass the GPU through (--gpus all)',
    versions: "all",
    source: `${PUBLIC}; 38 in old CUDA`,
    sample: "createInferBuilder: Error Code 6: API Usage Error (CUDA initialization failure with error: 100)",
    seen: false,
  },
  {
    id: "cuda-init-device-number",
    rank: "cause",
    code: "GPU_UNAVAILABLE",
    pattern: /CUDA initialization failure with error:? 101\b/i,
    cause: "There is no GPU of the chosen number (CUDA error 101)",
    remedy: "Choose another --device; trtd doctor lists them",
    versions: "all",
    source: "CUDA error codes",
    sample: "createInferBuilder: Error Code 6: API Usage Error (CUDA initialization failure with error: 101)",
    seen: false,
  },
  {
    id: "cuda-init-ptx-too-new",
    rank: "cause",
    code: "DRIVER_TOO_OLD",
    pattern:
      /CUDA initialization failure with error:? 222\b|the provided PTX was compiled with an unsupported toolchain/i,
    cause: "The library holds code of a newer CUDA than the driver can compile (CUDA error 222)",
    remedy: "Update the driver, or install TensorRT built for the driver's CUDA",
    versions: "all",
    source: "CUDA error codes; public issues",
    sample: "createInferBuilder: Error Code 6: API Usage Error (CUDA initialization failure with error: 222)",
    seen: false,
  },
  {
    id: "cuda-init-not-supported",
    rank: "cause",
    code: "GPU_UNAVAILABLE",
    pattern: /CUDA initialization failure with error:? 801\b/i,
    cause:
      "The system does not support the call (CUDA error 801), as on a Jetson whose NVIDIA devices are not passed in",
    remedy: "On a Jetson run the container with --runtime nvidia; check that /dev/nvhost-* and /dev/nvmap are there",
    versions: "all",
    source: PUBLIC,
    sample: "createInferRuntime: Error Code 6: API Usage Error (CUDA initialization failure with error: 801)",
    seen: false,
  },
  {
    id: "cuda-init-driver-mismatch",
    rank: "cause",
    code: "GPU_UNAVAILABLE",
    pattern: /CUDA initialization failure with error:? 803\b/i,
    cause:
      "libcuda and the kernel's driver are of different versions (CUDA error 803), as after an update of the driver",
    remedy: "Reboot; in a container remove a libcuda of its own",
    versions: "all",
    source: "CUDA Driver API, CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",
    sample: "createInferRuntime: Error Code 6: API Usage Error (CUDA initialization failure with error: 803)",
    seen: false,
  },
  {
    id: "cuda-init-compat-package",
    rank: "cause",
    code: "GPU_UNAVAILABLE",
    pattern: /CUDA initialization failure with error:? 804\b/i,
    cause: "A forward compatibility package (cuda-compat) is used on a GPU that does not support it (CUDA error 804)",
    remedy: "Remove the cuda-compat package or its folder from LD_LIBRARY_PATH, and update the driver instead",
    versions: "all",
    source: "CUDA Driver API, CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE",
    sample: "createInferRuntime: Error Code 6: API Usage Error (CUDA initialization failure with error: 804)",
    seen: false,
  },
  {
    id: "cuda-init-unknown",
    rank: "cause",
    code: "GPU_UNAVAILABLE",
    pattern: /CUDA initialization failure with error:? 999\b/i,
    cause: "The driver fails without saying why (CUDA error 999), often after suspend or an unloaded kernel module",
    remedy: "Load the module again (modprobe -r nvidia_uvm; modprobe nvidia_uvm), or reboot",
    versions: "all",
    source: "CUDA error codes; remedy from public reports",
    sample: "createInferRuntime: Error Code 6: API Usage Error (CUDA initialization failure with error: 999)",
    seen: false,
  },
  {
    id: "cuda-init-failed",
    rank: "cause",
    code: "GPU_UNAVAILABLE",
    pattern: /CUDA initialization failure with error:? (\d{1,5})/i,
    cause: "CUDA does not start (CUDA error {1})",
    remedy: "Check with nvidia-smi that the driver runs and that a GPU is visible",
    versions: "all; older releases have no colon",
    source: BINARY,
    sample: "CUDA initialization failure with error 802. Please check your CUDA installation:  " +
      "http://docs.nvidia.com/cuda/cuda-installation-guide-linux/index.html",
    seen: false,
  },
  {
    id: "cuda-driver-insufficient",
    rank: "cause",
    code: "DRIVER_TOO_OLD",
    pattern: /CUDA driver version is insufficient for CUDA runtime version/,
    cause: "The driver is older than the CUDA that TensorRT was built with, or there is no driver (CUDA error 35)",
    remedy:
      "Install or update the driver (580 or later for CUDA 13, 525 for CUDA 12), or install the build for an older " +
      "CUDA",
    versions: "all",
    source: RUN,
    sample: "IRuntime::deserializeCudaEngine: Error Code 1: Cuda Runtime (In ScopedCudaStream at " +
      "/_src/common/dispatch/cudaResources.cpp:25 (cudaError 35: CUDA driver version is insufficient for CUDA " +
      "runtime version))",
    seen: true,
  },
  {
    id: "cuda-no-device",
    rank: "cause",
    code: "GPU_UNAVAILABLE",
    pattern: /no CUDA-capable device is detected/,
    cause: "No GPU is visible to this process (CUDA error 100)",
    remedy: 'Unset CUDA_VISIBLE_DEVICES when it is "-1" or empty; in a container pass the GPU through (--gpus all)',
    versions: "all",
    source: BINARY,
    sample: "[checkMacros.cpp::catchCudaError::272] Error Code 1: Cuda Runtime (no CUDA-capable device is detected)",
    seen: false,
  },
  {
    id: "cuda-stream-failed",
    rank: "symptom",
    code: "GPU_UNAVAILABLE",
    pattern: /Cuda Runtime \(In ScopedCudaStream/,
    cause: "CUDA makes no stream: there is no driver, no visible GPU, or no memory left on it",
    remedy: "Check with nvidia-smi that the driver runs and that a GPU is visible",
    versions: "TensorRT-RTX 1.4",
    source: RUN,
    sample: "IRuntime::deserializeCudaEngine: Error Code 1: Cuda Runtime (In ScopedCudaStream at " +
      "/_src/common/dispatch/cudaResources.cpp:25)",
    seen: true,
  },
  {
    id: "cuda-lazy-loading-off",
    rank: "note",
    code: null,
    pattern: /CUDA lazy loading is not enabled/,
    cause: "CUDA loads all kernels at the start, which costs memory and time",
    remedy: "Set CUDA_MODULE_LOADING=LAZY (CUDA 11.7 and later)",
    versions: "8.6 and later",
    source: BINARY,
    sample: "CUDA lazy loading is not enabled. Enabling it can significantly reduce device memory usage and speed up " +
      "TensorRT initialization.",
    seen: false,
  },
  {
    id: "gpu-memory-unknown",
    rank: "note",
    code: null,
    pattern: /Unable to determine GPU memory usage/,
    cause: "TensorRT cannot ask how much GPU memory is free; it follows a CUDA that does not start",
    remedy: "See the error about CUDA",
    versions: "all",
    source: PUBLIC,
    sample: "Unable to determine GPU memory usage",
    seen: true,
  },

  // libraries
  {
    id: "builder-resource-executable-stack",
    rank: "cause",
    code: "TENSORRT_NOT_FOUND",
    pattern: /cannot enable executable stack as shared object requires/,
    cause: "The builder's resource library asks for an executable stack, which glibc 2.41 and later refuses",
    remedy: "Install TensorRT 10.8 or later, or clear the flag (patchelf --clear-execstack FILE)",
    versions: "up to 10.7",
    source: "REAL-Video-Enhancer issue 85; glibc 2.41 by public patches of other libraries",
    sample: "createInferBuilder: Error Code 6: API Usage Error (Unable to load library: " +
      "libnvinfer_builder_resource.so.10.7.0: libnvinfer_builder_resource.so.10.7.0: cannot enable executable " +
      "stack as shared object requires: Invalid argument)",
    seen: false,
  },
  {
    id: "builder-resource-for-windows",
    rank: "cause",
    code: "TENSORRT_NOT_FOUND",
    pattern: /libnvinfer_builder_resource_win\.so/,
    cause: "Building for Windows on Linux needs a library that this package of TensorRT does not have",
    remedy: "Install the archive of TensorRT instead of the wheel, or build on Windows",
    versions: "10.2 and later",
    source: "public issue of the 10.2.0 wheel",
    sample: "IBuilder::buildSerializedNetwork: Error Code 6: API Usage Error (Unable to load library: " +
      "libnvinfer_builder_resource_win.so.10.2.0)",
    seen: false,
  },
  {
    id: "builder-resource-missing",
    rank: "cause",
    code: "TENSORRT_NOT_FOUND",
    pattern: /Unable to load library: ((?:lib)?nvinfer_builder_resource[\w.]{0,80})/,
    cause: "The builder cannot find its library {1}, which it opens by name",
    remedy: "Put the folder of TensorRT's libraries on LD_LIBRARY_PATH before the start (sudo clears it), or run " +
      "ldconfig on it",
    versions: "8.5 and later",
    source: "NVIDIA/TensorRT issues 2218 and 3489",
    sample: "createInferBuilder: Error Code 6: API Usage Error (Unable to load library: " +
      "libnvinfer_builder_resource.so.10.7.0: libnvinfer_builder_resource.so.10.7.0: cannot open shared object " +
      "file: No such file or directory)",
    seen: true,
  },
  {
    id: "library-missing",
    rank: "cause",
    code: "TENSORRT_NOT_FOUND",
    pattern: /(lib(?:nvinfer|nvonnxparser|tensorrt)[\w.]{0,80}): cannot open shared object file/,
    cause: "The library {1} is not installed or not on the loader's path",
    remedy: "Install that release of TensorRT, or name its folder with --tensorrt DIR",
    versions: "all",
    source: "glibc's dynamic loader",
    sample: "libnvinfer.so.8: cannot open shared object file: No such file or directory",
    seen: true,
  },
  {
    id: "library-without-symbol",
    rank: "cause",
    code: "TENSORRT_NOT_FOUND",
    pattern: /SymbolAddress for (\S{1,120}) could not be loaded/,
    cause: "The library has no {1}: it is a lean or dispatch library, or something else",
    remedy: "Install the full TensorRT: lean and dispatch libraries have no builder",
    versions: "10.x and later",
    source: BINARY,
    sample: "SymbolAddress for createInferBuilder_INTERNAL could not be loaded, check function name against library " +
      "symbol",
    seen: false,
  },
  {
    id: "library-not-lean",
    rank: "cause",
    code: "TENSORRT_NOT_FOUND",
    pattern: /Runtime load failed: could not (?:access \w{1,60} symbol|create lean runtime)/,
    cause: "The runtime of a version-compatible engine is not a lean runtime",
    remedy: "Install libnvinfer_lean of the TensorRT that built the engine",
    versions: "8.6 and later",
    source: BINARY,
    sample: "IRuntime::loadRuntime: Error Code 3: API Usage Error (Runtime load failed: could not access " +
      "createLeanRuntime symbol)",
    seen: false,
  },
  {
    id: "glibc-too-old",
    rank: "cause",
    code: "TENSORRT_NOT_FOUND",
    pattern: /version [`'"]?GLIBC_([\d.]{1,10})['"]? not found/,
    cause: "The library needs glibc {1}, which this system does not have",
    remedy: "Use a newer distribution, or TensorRT 10.7 or older (glibc 2.17)",
    versions: "10.8 and later need glibc 2.28",
    source: "TensorRT 10.8.0 release notes; glibc's dynamic loader",
    sample: "/lib64/libm.so.6: version `GLIBC_2.28' not found (required by libnvinfer.so.10)",
    seen: false,
  },

  // reading the model
  {
    id: "operator-as-plugin",
    rank: "note",
    code: null,
    pattern: /No importer registered for op: (\S{1,120})\. Attempting to import as plugin/,
    cause: "The operator {1} is not built into TensorRT; a plugin of that name is looked for",
    remedy: "Nothing, when the plugin is found",
    versions: "7.x to 10.x",
    source: "log of TensorRT 8.6.1",
    sample: "No importer registered for op: EfficientNMS_TRT. Attempting to import as plugin.",
    seen: true,
  },
  {
    id: "operator-unknown-to-rtx",
    rank: "cause",
    code: "PLUGIN_MISSING",
    pattern: /Op type (\S{1,120}) is not supported in TensorRT-RTX/,
    cause: "The operator {1} is not in TensorRT-RTX, which has no plugins",
    remedy: "Export the model without it (for EfficientNMS_TRT: without end-to-end NMS; trtd has its own), or use " +
      "TensorRT",
    versions: "TensorRT-RTX 1.3 and 1.4",
    source: RUN,
    sample:
      "ModelImporter.cpp:149: ERROR: ModelImporter.cpp:291 In function parseNodeStaticCheck:\n[1] Op type FancyOp " +
      "is not supported in TensorRT-RTX.",
    seen: true,
  },
  {
    id: "plugin-not-found",
    rank: "cause",
    code: "PLUGIN_MISSING",
    pattern: /Plugin not found, are the plugin name, version, and namespace correct\?/,
    cause: "An operator of the model is neither built into TensorRT nor a registered plugin",
    remedy:
      "Load the plugin library (libnvinfer_plugin), check plugin_version and plugin_namespace, or export the model " +
      "without the operator (for EfficientNMS_TRT: without end-to-end NMS; trtd has its own). TensorRT-RTX has no " +
      "plugins",
    versions: "8.x and later",
    source: RUN,
    sample:
      "ModelImporter.cpp:151: ERROR: onnxOpCheckers.cpp:998 In function checkFallbackPluginImporter:\n[6] creator " +
      '&& "Plugin not found, are the plugin name, version, and namespace correct?"',
    seen: true,
  },
  {
    id: "plugin-attribute-missing",
    rank: "cause",
    code: "MODEL_LOAD_FAILED",
    pattern: /PluginFieldCollection missing required fields: (\{[^}]{0,300}\})/,
    cause: "A plugin operator of the model lacks attributes: {1}",
    remedy: "Export the model with all attributes of the operator",
    versions: "8.5.1 and later",
    source: "plugin/common/plugin.cpp of NVIDIA/TensorRT",
    sample: "PluginFieldCollection missing required fields: {score_activation}",
    seen: false,
  },
  {
    id: "int64-weights",
    rank: "note",
    code: null,
    pattern: /Your ONNX model has been generated with INT64 weights/,
    cause: "This TensorRT casts INT64 constants of the model to INT32",
    remedy: "Nothing, when the values fit",
    versions: "up to 8.6",
    source: "log of TensorRT 8.6.1",
    sample: "onnx2trt_utils.cpp:374: Your ONNX model has been generated with INT64 weights, while TensorRT does not " +
      "natively support INT64. Attempting to cast down to INT32.",
    seen: true,
  },
  {
    id: "int32-clamped",
    rank: "note",
    code: null,
    pattern: /One or more weights outside the range of INT32 was clamped/,
    cause: "INT64 constants beyond INT32 were clamped, often the open ends of slices, which is harmless",
    remedy: "Look at the constants with trtd inspect",
    versions: "up to 9.3",
    source: "log of TensorRT 8.6.1",
    sample: "onnx2trt_utils.cpp:400: One or more weights outside the range of INT32 was clamped",
    seen: true,
  },
  {
    id: "float-clamped",
    rank: "note",
    code: null,
    pattern: /One or more weights outside the range of FLOAT was clamped|is out of range\. Clamping to: /,
    cause: "A double constant beyond the range of f32 was clamped",
    remedy: "Look at the constants with trtd inspect",
    versions: "10.0 and later",
    source: BINARY,
    sample: "Weight at index 0: 1e+300 is out of range. Clamping to: 3.40282e+38",
    seen: false,
  },
  {
    id: "int64-binding",
    rank: "note",
    code: null,
    pattern: /Make sure (?:input|output) (\S{1,200}) has Int64 binding/,
    cause: "The tensor {1} has 8 bytes an element; TensorRT 8 used 4",
    remedy: "Nothing: trtd reads the type from the engine",
    versions: "10.0 and later",
    source: RUN,
    sample: "ModelImporter.cpp:1071: Make sure input x has Int64 binding.",
    seen: true,
  },
  {
    id: "opset-old",
    rank: "note",
    code: null,
    pattern: /TensorRT supports ONNX graphs generated with at least opset 7/,
    cause: "The model's opset is older than 7, which TensorRT does not promise to read rightly",
    remedy: "Export the model with a newer opset",
    versions: "all",
    source: RUN,
    sample:
      "ModelImporter.cpp:1231: TensorRT supports ONNX graphs generated with at least opset 7. Models using older " +
      "opsets are not guaranteed to work.",
    seen: true,
  },
  {
    id: "uint8-inside",
    rank: "cause",
    code: "MODEL_LOAD_FAILED",
    pattern: /TensorRT does not support UINT8 types for intermediate tensors/,
    cause: "The model computes with UINT8 inside the graph",
    remedy: "Put a Cast to FLOAT right after a UINT8 input",
    versions: "8.6 and later",
    source: RUN,
    sample: "ModelImporter.cpp:151: ERROR: ModelImporter.cpp:559 In function parseNode:\n[8] Assertion failed: " +
      "legalUINT8: TensorRT does not support UINT8 types for intermediate tensors. For UINT8 quantization, the " +
      "kIMPORT_UINT8_QUANTIZATION flag must be set. (DLA version >= 3.16 only)",
    seen: true,
  },
  {
    id: "onnx-unreadable",
    rank: "cause",
    code: "MODEL_LOAD_FAILED",
    pattern:
      /Failed to parse the ONNX model|MODEL_DESERIALIZE_FAILED|ParseFromFileAsBinary|[Ff]ailed to parse ONNX model/,
    cause: "The parser cannot read the file as ONNX: it is damaged, over 2 GiB, or its external data is missing",
    remedy: "Check the file with trtd inspect; keep files of external data beside it",
    versions: "all",
    source: RUN,
    sample: "(deserializeOnnxModel): MODEL_DESERIALIZE_FAILED: Assertion failed: " +
      "model->ParseFromCodedStream(&codedInput): Failed to parse the ONNX model.",
    seen: true,
  },
  {
    id: "onnx-missing",
    rank: "cause",
    code: "FILE_NOT_FOUND",
    pattern: /Input file cannot be found, or is not a regular file/,
    cause: "The parser does not find the model or a file of its external data",
    remedy: "Check the path; keep files of external data beside the model",
    versions: "10.x and later",
    source: BINARY,
    sample: "Input file cannot be found, or is not a regular file: /models/yolo.onnx",
    seen: false,
  },
  {
    id: "network-not-empty",
    rank: "cause",
    code: "INTERNAL",
    pattern: /Parse was called with a non-empty network definition/,
    cause: "A network was filled twice",
    remedy: "Report it: trtd fills a network once",
    versions: "10.x and later",
    source: BINARY,
    sample: "Parse was called with a non-empty network definition",
    seen: false,
  },
  {
    id: "types-differ",
    rank: "cause",
    code: "MODEL_LOAD_FAILED",
    pattern: /must have same input types\. But they are of types (\w{1,20}) and (\w{1,20})/,
    cause: "A node mixes {1} and {2}, which TensorRT does not do by itself",
    remedy: "Put a Cast before the node; convert to fp16 with trtd convert --pass fp16, which adds them",
    versions: "10.x strongly typed, 11.x, TensorRT-RTX",
    source: RUN,
    sample:
      "ITensor::getDimensions: Error Code 4: API Usage Error (add_0: ElementWiseOperation SUM must have same input " +
      "types. But they are of types Float and Half. In validateTypes at " +
      "/_src/optimizer/common/nodes/elementWiseNode.cpp:40)",
    seen: true,
  },
  {
    id: "shapes-do-not-fit",
    rank: "cause",
    code: "MODEL_LOAD_FAILED",
    pattern: /Error Code \d{1,2}: Shape Error \(([^\n]{1,200}?)(?: In |\)|$)/,
    cause: "Shapes of the model do not fit each other: {1}",
    remedy: "Check the model with onnx.checker and its shapes with trtd inspect",
    versions: "10.x and later",
    source: RUN,
    sample: "ITensor::getDimensions: Error Code 4: Shape Error (broadcast dimensions must be conformable In op at " +
      "/_src/optimizer/common/shape/shapeContext.cpp:2699)",
    seen: true,
  },
  {
    id: "parser-stopped-at-node",
    rank: "symptom",
    code: "MODEL_LOAD_FAILED",
    pattern: /While parsing node number \d{1,9} \[/,
    cause: "The parser refused the model",
    remedy: "Read the parser's words after this line; a newer TensorRT or another opset may take the operator",
    versions: "all",
    source: RUN,
    sample: 'ModelImporter.cpp:138: While parsing node number 0 [FancyOp -> "y"]:',
    seen: true,
  },

  // building
  {
    id: "profile-missing",
    rank: "cause",
    code: "PROFILE_MISSING",
    pattern: /Network has dynamic or shape inputs, but no optimization profile has been defined/,
    cause: "The model has inputs with dynamic axes, and no range of shapes was given",
    remedy: "Give --batch N, or --min, --opt and --max",
    versions: "all",
    source: RUN,
    sample:
      "IBuilder::buildSerializedNetwork: Error Code 4: API Usage Error (Network has dynamic or shape inputs, but " +
      "no optimization profile has been defined. In validate at /_src/optimizer/api/network.cpp:4023)",
    seen: true,
  },
  {
    id: "profile-input-missing",
    rank: "cause",
    code: "PROFILE_MISSING",
    pattern: /is missing dimensions in profile|optimization profile is missing values for shape input/,
    cause: "The optimization profile lacks an input",
    remedy: "Name every dynamic input in --min, --opt and --max",
    versions: "all",
    source: BINARY,
    sample: "IBuilder::buildSerializedNetwork: Error Code 4: API Usage Error (Dynamic input tensor images is missing " +
      "dimensions in profile 0.)",
    seen: false,
  },
  {
    id: "profile-of-static-input",
    rank: "cause",
    code: "PROFILE_MISSING",
    pattern: /has static dimensions that don't match /,
    cause: "The optimization profile gives an input other sizes than the model fixes",
    remedy: "Give the sizes that the model has, or export it with dynamic axes",
    versions: "all",
    source: BINARY,
    sample:
      "IBuilder::buildSerializedNetwork: Error Code 4: API Usage Error (Input tensor images has static dimensions " +
      "that don't match dimensions in profile 0.)",
    seen: false,
  },
  {
    id: "profile-invalid",
    rank: "cause",
    code: "PROFILE_MISSING",
    pattern: /Invalid optimization profiles for input tensors/,
    cause: "The optimization profile is not one: min, opt and max must grow in this order on every axis",
    remedy: "Correct --min, --opt and --max",
    versions: "all",
    source: BINARY,
    sample:
      "IBuilder::buildSerializedNetwork: Error Code 4: API Usage Error (Invalid optimization profiles for input " +
      "tensors: images)",
    seen: false,
  },
  {
    id: "network-without-output",
    rank: "symptom",
    code: "BUILD_FAILED",
    pattern: /Network must have at least one output/,
    cause: "The network has no output: the parser failed before, or the model declares none",
    remedy: "See the parser's error before this one",
    versions: "all",
    source: RUN,
    sample:
      "IBuilder::buildSerializedNetwork: Error Code 4: API Usage Error (Network must have at least one output. In " +
      "validate at /_src/optimizer/api/network.cpp:3810)",
    seen: true,
  },
  {
    id: "no-implementation-workspace",
    rank: "cause",
    code: "OUT_OF_GPU_MEMORY",
    pattern: /Could not find any implementation for node [^\n]{1,400} due to insufficient workspace/,
    cause: "No kernel for a node fits into the workspace",
    remedy: "Raise --workspace, or free GPU memory",
    versions: "8.x and later",
    source: BINARY,
    sample:
      "10: [optimizer.cpp::computeCosts::3728] Error Code 10: Internal Error (Could not find any implementation " +
      "for node /model.0/conv/Conv due to insufficient workspace. See verbose log for requested sizes.)",
    seen: false,
  },
  {
    id: "no-implementation",
    rank: "symptom",
    code: "BUILD_FAILED",
    pattern: /Could not find any implementation for node /,
    cause: "No kernel can run a node: every candidate was rejected for memory, precision, shape or a CUDA error before",
    remedy:
      "Look at the errors before it; raise --workspace, free GPU memory, build with --precision f32, use a fixed " +
      "batch on Turing, or a newer TensorRT",
    versions: "all",
    source: PUBLIC,
    sample:
      "10: [optimizer.cpp::computeCosts::2033] Error Code 10: Internal Error (Could not find any implementation " +
      "for node Conv_119 + Add_182.)",
    seen: true,
  },
  {
    id: "tactic-memory",
    rank: "note",
    code: null,
    pattern: /Tactic Device request: (\d{1,12}) ?MB Available: (\d{1,12}) ?MB/,
    cause: "A candidate kernel wanted {1} MB of GPU memory, and {2} MB were free; it was skipped",
    remedy: "Free GPU memory for a faster engine; the build goes on without",
    versions: "8.x and later",
    source: PUBLIC,
    sample: "Tactic Device request: 414MB Available: 216MB. Device memory is insufficient to use tactic.",
    seen: true,
  },
  {
    id: "tactic-skipped",
    rank: "note",
    code: null,
    pattern: /Skipping tactic/,
    cause: "A candidate kernel was skipped",
    remedy: "Nothing; free GPU memory when many are skipped",
    versions: "all",
    source: PUBLIC,
    sample: "UNSUPPORTED_STATE: Skipping tactic 3 due to insufficient memory on requested size of 2218 detected for " +
      "tactic 4.",
    seen: true,
  },
  {
    id: "workspace-hint",
    rank: "note",
    code: null,
    pattern: /Try (increasing|decreasing) the workspace size with IBuilderConfig::/,
    cause: "TensorRT hints at {1} the workspace",
    remedy: "Change --workspace",
    versions: "8.4 and later",
    source: BINARY,
    sample: "Try decreasing the workspace size with IBuilderConfig::setMemoryPoolLimit().",
    seen: false,
  },
  {
    id: "gpu-memory-capture",
    rank: "cause",
    code: "INFERENCE_FAILED",
    pattern: /failed because the stream is capturing a CUDA graph/,
    cause: "The first run of the engine was recorded into a CUDA graph, when memory cannot be allocated",
    remedy: "Report it: trtd runs once before it records",
    versions: "TensorRT-RTX 1.7",
    source: BINARY,
    sample:
      "Requested amount of GPU memory 1048576 bytes failed because the stream is capturing a CUDA graph and the " +
      "allocation was not stream-ordered; CUDA does not permit cudaMalloc during capture.",
    seen: false,
  },
  {
    id: "gpu-memory-request",
    rank: "cause",
    code: "OUT_OF_GPU_MEMORY",
    pattern: /Requested amount of GPU memory \((\d{1,20}) bytes\) could not be allocated/,
    cause: "{1} bytes of GPU memory could not be had",
    remedy: "End other programs on the GPU (nvidia-smi lists them), use a smaller batch or --max, or a smaller " +
      "--workspace",
    versions: "all",
    source: PUBLIC,
    sample: "Requested amount of GPU memory (3887181312 bytes) could not be allocated. There may not be enough free " +
      "memory for allocation to succeed.",
    seen: true,
  },
  {
    id: "gpu-memory-tactic",
    rank: "cause",
    code: "OUT_OF_GPU_MEMORY",
    pattern: /Out of memory error while finding fastest tactic for/,
    cause: "The GPU's memory ran out while kernels were compared",
    remedy: "End other programs on the GPU, or use a smaller batch or --workspace",
    versions: "10.x and later",
    source: BINARY,
    sample: "Out of memory error while finding fastest tactic for /model.0/conv/Conv",
    seen: false,
  },
  {
    id: "gpu-memory",
    rank: "cause",
    code: "OUT_OF_GPU_MEMORY",
    pattern: /Cuda Runtime \(out of memory|Error Code \d{1,2}: OutOfMemory|cudaError 2: /,
    cause: "The GPU's memory ran out",
    remedy: "End other programs on the GPU (nvidia-smi lists them), or use a smaller batch or input size",
    versions: "all",
    source: PUBLIC,
    sample: "1: [defaultAllocator.cpp::allocate::19] Error Code 1: Cuda Runtime (out of memory)",
    seen: true,
  },
  {
    id: "compiler-failed",
    rank: "cause",
    code: "BUILD_FAILED",
    pattern: /Myelin error status|Error Code:? ?\d{0,2}:? ?Myelin|No Myelin Error exists|Myelin error from/,
    cause: "TensorRT's compiler (Myelin) failed on a group of fused nodes, most often for memory",
    remedy:
      "Raise --workspace (16384 is what TensorRT suggests), free GPU memory, build with --precision f32, or use a " +
      "newer TensorRT",
    versions: "8.x and later",
    source: `${PUBLIC}; ${BINARY}`,
    sample:
      "1: [myelinCache.h::nvinfer1::builder::MyelinCache::deserializeFromBuffer::52] Error Code 1: Myelin (Myelin " +
      "error from unknown graph)",
    seen: false,
  },
  {
    id: "strong-types-differ",
    rank: "cause",
    code: "MODEL_LOAD_FAILED",
    pattern: /Type mismatch detected for a strongly typed network/,
    cause: "The model mixes element types without a Cast, and the network takes its types from the model",
    remedy: "Convert the model with trtd convert --pass fp16, which adds the casts",
    versions: "10.x, 11.x, TensorRT-RTX",
    source: BINARY,
    sample: "IBuilder::buildSerializedNetwork: Error Code 4: API Usage Error (Type mismatch detected for a strongly " +
      "typed network. Output tensor y)",
    seen: false,
  },
  {
    id: "precision-impossible",
    rank: "cause",
    code: "PRECISION_UNSUPPORTED",
    pattern: /No valid obedient candidate choices for node|(?:_CONSTRAINTS was set|_TYPED flag), so treating as error/,
    cause: "A layer has no kernel in the precision that was asked for",
    remedy: "Build with --precision f32",
    versions: "8.x and later",
    source: BINARY,
    sample:
      "IBuilder::buildSerializedNetwork: Error Code 10: Internal Error (No valid obedient candidate choices for " +
      "node /model.0/conv/Conv that meet the preferred precision.)",
    seen: false,
  },
  {
    id: "network-flags-wrong",
    rank: "cause",
    code: "ABI_MISMATCH",
    pattern: /flagSet\.toU32\(\) < \(1U << EnumMax<NetworkDefinitionCreationFlag>/,
    cause: "The network was made with flags of another release",
    remedy: "Report it with the version of TensorRT",
    versions: "10.x and later",
    source: BINARY,
    sample: "IBuilder::createNetworkV2: Error Code 3: API Usage Error (Parameter check failed, condition: " +
      "flagSet.toU32() < (1U << EnumMax<NetworkDefinitionCreationFlag>()).)",
    seen: false,
  },
  {
    id: "builder-flags-wrong",
    rank: "cause",
    code: "ABI_MISMATCH",
    pattern: /kSAFETY_SCOPE cannot be set if kGPU_FALLBACK is set/,
    cause: "The build was configured with flag numbers of another release",
    remedy: "Report it with the version of TensorRT",
    versions: "10.x and later",
    source: BINARY,
    sample: "IBuilder::buildSerializedNetwork: Error Code 3: API Usage Error (kSAFETY_SCOPE cannot be set if " +
      "kGPU_FALLBACK is set.)",
    seen: false,
  },
  {
    id: "tf32-overridden",
    rank: "note",
    code: null,
    pattern: /NVIDIA_TF32_OVERRIDE=0 but/,
    cause: "The environment variable NVIDIA_TF32_OVERRIDE turns TF32 off",
    remedy: "Unset it for speed",
    versions: "all",
    source: BINARY,
    sample: "Environment variable NVIDIA_TF32_OVERRIDE=0 but BuilderFlag::kTF32 is set. Disabling TF32.",
    seen: false,
  },
  {
    id: "deserialization-failed",
    rank: "symptom",
    code: "ENGINE_INCOMPATIBLE",
    pattern: /Engine deserialization failed/,
    cause: "The engine was not loaded",
    remedy: "See the error before this one; build the engine again",
    versions: "8.x",
    source: PUBLIC,
    sample: "4: [runtime.cpp::deserializeCudaEngine::66] Error Code 4: Internal Error (Engine deserialization failed.)",
    seen: true,
  },
  {
    id: "engine-is-null",
    rank: "symptom",
    code: "BUILD_FAILED",
    pattern: /Assertion engine != nullptr failed/,
    cause: "The builder made no engine",
    remedy: "See the error before this one",
    versions: "8.x",
    source: PUBLIC,
    sample: "2: [builder.cpp::nvinfer1::builder::Builder::buildSerializedNetwork::636] Error Code 2: Internal Error " +
      "(Assertion engine != nullptr failed. )",
    seen: true,
  },

  // running
  {
    id: "shape-outside-profile",
    rank: "cause",
    code: "INFERENCE_FAILED",
    pattern: /(?:Set dimension (\[[^\]]{1,100}\]) for tensor (\S{1,200}) )?does not satisfy any optimization profiles/,
    cause: "A shape is outside the range that the engine was built for",
    remedy: "Build the engine with a wider --min to --max, or send that shape",
    versions: "8.5 and later",
    source: PUBLIC,
    sample: "IExecutionContext::setInputShape: Error Code 3: API Usage Error (Parameter check failed, condition: " +
      "satisfyProfile. Set dimension [6,128,100] for tensor padded_feature does not satisfy any optimization " +
      "profiles. Valid range for profile 0: [10,128,100]..[30,128,100].)",
    seen: true,
  },
  {
    id: "shape-differs",
    rank: "cause",
    code: "INFERENCE_FAILED",
    pattern: /Static dimension mismatch while setting input shape for (\S{1,200})|engineDims\.nbDims == dims\.nbDims/,
    cause: "An input was given another shape than the engine fixes",
    remedy: "Send the shape that trtd inspect shows, or build the engine for the shape",
    versions: "8.5 and later",
    source: BINARY,
    sample: "IExecutionContext::setInputShape: Error Code 3: API Usage Error (Parameter check failed, condition: " +
      "engineDims.d[i] == dims.d[i]. Static dimension mismatch while setting input shape for images.)",
    seen: false,
  },
  {
    id: "address-missing",
    rank: "cause",
    code: "INTERNAL",
    pattern:
      /(?:Address is not set for input tensor|Neither address or allocator is set for output tensor) (\S{1,200})/,
    cause: "The tensor {1} has no memory",
    remedy: "Report it: trtd sets all addresses",
    versions: "8.5 and later",
    source: BINARY,
    sample: "IExecutionContext::enqueueV3: Error Code 3: API Usage Error (Parameter check failed, condition: " +
      "mContext.profileObliviousBindings. Address is not set for input tensor images. Call setInputTensorAddress " +
      "or setTensorAddress before enqueue/execute.)",
    seen: false,
  },
  {
    id: "address-null",
    rank: "cause",
    code: "INTERNAL",
    pattern: /is bound to nullptr, which is allowed only for an empty input tensor/,
    cause: "A tensor that is not empty has no memory",
    remedy: "Report it: trtd sets all addresses",
    versions: "8.5 and later",
    source: BINARY,
    sample:
      'Tensor "images" is bound to nullptr, which is allowed only for an empty input tensor, shape tensor, or an ' +
      "output tensor associated with an IOuputAllocator.",
    seen: false,
  },
  {
    id: "shapes-unspecified",
    rank: "cause",
    code: "INTERNAL",
    pattern: /Not all input tensors' dimensions or shape bindings are specified/,
    cause: "An input with dynamic axes has no shape",
    remedy: "Report it: trtd sets all shapes",
    versions: "8.5 and later",
    source: BINARY,
    sample: "Not all input tensors' dimensions or shape bindings are specified.",
    seen: false,
  },
  {
    id: "default-stream",
    rank: "note",
    code: null,
    pattern: /Using default stream in enqueueV3\(\)/,
    cause: "The engine runs on CUDA's default stream, which is slower",
    remedy: "Report it: trtd uses a stream of its own",
    versions: "8.6 and later",
    source: BINARY,
    sample: "Using default stream in enqueueV3() may lead to performance issues due to additional calls to " +
      "cudaStreamSynchronize() by TensorRT to ensure correct synchronization. Please use non-default stream " +
      "instead.",
    seen: false,
  },
  {
    id: "illegal-memory-access",
    rank: "cause",
    code: "INFERENCE_FAILED",
    pattern: /an illegal memory access was encountered/,
    cause:
      "A kernel reached beyond its memory (CUDA error 700), often because a buffer is smaller than its tensor; the " +
      "process cannot use CUDA any more",
    remedy: "Start the process again; report it with the model and the shapes",
    versions: "all",
    source: PUBLIC,
    sample: "1: [resizingAllocator.cpp::deallocate::105] Error Code 1: Cuda Runtime (an illegal memory access was " +
      "encountered)",
    seen: true,
  },
  {
    id: "weights-not-loaded",
    rank: "cause",
    code: "INTERNAL",
    pattern: /while the engine session weights are unloaded|with deferred weight loading/,
    cause: "The engine was run before its weights were loaded",
    remedy: "Report it: trtd loads weights with the engine",
    versions: "TensorRT-RTX 1.6 and later, 11.4",
    source: BINARY,
    sample:
      "IExecutionContext::enqueueV3: Error Code 3: API Usage Error (Cannot run inference while the engine session " +
      "weights are unloaded.)",
    seen: false,
  },
  {
    id: "second-logger",
    rank: "note",
    code: null,
    pattern: /The logger passed into (\S{1,80}) differs from one already (?:registered|provided) for an existing/,
    cause: "A second logger was given; TensorRT goes on with the first",
    remedy: "Report it: trtd has one logger for each library",
    versions: "all",
    source: BINARY,
    sample: "The logger passed into createInferBuilder differs from one already registered for an existing builder, " +
      "runtime, or refitter. So the current new logger is ignored, and TensorRT will use the existing one which is " +
      "returned by nvinfer1::getLogger() instead.",
    seen: false,
  },
  {
    id: "driver-library-missing",
    rank: "cause",
    code: "GPU_UNAVAILABLE",
    pattern: /Cannot load CUDA driver library|libcuda\.so(?:\.1)?: cannot open shared object file/,
    cause: "libcuda is not there: no NVIDIA driver is installed, or the container does not have it",
    remedy: "Install the NVIDIA driver; in a container pass the GPU through (--gpus all)",
    versions: "11.4, TensorRT-RTX 1.7",
    source: BINARY,
    sample:
      "Cannot load CUDA driver library (libcuda.so.1 / libcuda.so). Ensure the NVIDIA driver is installed and the " +
      "library is on the library search path.",
    seen: false,
  },
  {
    id: "nvrtc-missing",
    rank: "cause",
    code: "TENSORRT_NOT_FOUND",
    pattern: /Could not open libnvrtc for runtime linking|cannot load libnvrtc/,
    cause: "libnvrtc, CUDA's compiler at run time, is not there",
    remedy: "Install libnvrtc of TensorRT's CUDA (pip: nvidia-cuda-nvrtc) and put its folder on LD_LIBRARY_PATH",
    versions: "11.4, TensorRT-RTX",
    source: BINARY,
    sample: "-Could not open libnvrtc for runtime linking. Ensure the NVRTC library is on the library search path.",
    seen: false,
  },
];
