// Virtual functions in the order of the public headers of TensorRT-RTX 1.4: NvInferImpl.h, NvInferRuntime*.h, NvOnnxParser.h.
// TRAPS are functions that libtrtd never calls: being called, they tell of a wrong slot.
#pragma once

class VHostMemory;
class VRuntime;
class VCudaEngine;
class VEngineInspector;
class VExecutionContext;
class VRuntimeConfig;
class VRuntimeCache;
class VBuilder;
class VBuilderConfig;
class VOptimizationProfile;
class VNetworkDefinition;
class VTensor;
class VTimingCache;

using IHostMemory = Interface<VHostMemory>;
using IRuntime = Interface<VRuntime>;
using ICudaEngine = Interface<VCudaEngine>;
using IEngineInspector = Interface<VEngineInspector>;
using IExecutionContext = Interface<VExecutionContext>;
using IRuntimeConfig = Interface<VRuntimeConfig>;
using IRuntimeCache = Interface<VRuntimeCache>;
using IBuilder = Interface<VBuilder>;
using IBuilderConfig = Interface<VBuilderConfig>;
using IOptimizationProfile = Interface<VOptimizationProfile>;
using INetworkDefinition = Interface<VNetworkDefinition>;
using ITensor = Interface<VTensor>;
using ITimingCache = Interface<VTimingCache>;

class IVersionedInterface {
 public:
  virtual int32_t getAPILanguage() const noexcept = 0;
  virtual InterfaceInfo getInterfaceInfo() const noexcept = 0;
  virtual ~IVersionedInterface() noexcept = default;
};

class ILogger {
 public:
  virtual void log(int32_t severity, char const* text) noexcept = 0;
  virtual ~ILogger() noexcept = default;
};

class IProgressMonitor : public IVersionedInterface {
 public:
  virtual void phaseStart(char const* phase, char const* parent, int32_t steps) noexcept = 0;
  virtual bool stepComplete(char const* phase, int32_t step) noexcept = 0;
  virtual void phaseFinish(char const* phase) noexcept = 0;
};

class IParserError {
 public:
  virtual int32_t code() const noexcept = 0;
  virtual char const* desc() const noexcept = 0;
  virtual char const* file() const noexcept = 0;
  virtual int line() const noexcept = 0;
  virtual char const* func() const noexcept = 0;
  virtual int node() const noexcept = 0;
  virtual char const* nodeName() const noexcept = 0;
  virtual char const* nodeOperator() const noexcept = 0;
  TRAPS(localFunctionStack, localFunctionStackSize)
  virtual ~IParserError() noexcept = default;
};

class IParser {
 public:
  virtual bool parse(void const* data, size_t size, char const* path) noexcept = 0;
  TRAPS(parseFromFile, supportsModel, parseWithWeightDescriptors, supportsOperator)
  virtual int getNbErrors() noexcept = 0;
  virtual IParserError const* getError(int index) noexcept = 0;
  TRAPS(clearErrors)
  virtual ~IParser() noexcept = default;
  TRAPS(getUsedVCPluginLibraries, setFlags, getFlags, clearFlag, setFlag, getFlag, getLayerOutputTensor,
        supportsModelV2, getNbSubgraphs, isSubgraphSupported, getSubgraphNodes, loadModelProto, loadInitializer,
        parseModelProto, setBuilderConfig)
};

class IPluginRegistry {
 public:
  TRAPS(registerCreator, getPluginCreatorList)
  virtual void* getPluginCreator(char const* name, char const* version, char const* space) noexcept = 0;
  virtual ~IPluginRegistry() noexcept = default;
  TRAPS(setErrorRecorder, getErrorRecorder, deregisterCreator, isParentSearchEnabled, setParentSearchEnabled,
        loadLibrary, deregisterLibrary, registerCreator_2, getAllCreators)
  virtual void* getCreator(char const* name, char const* version, char const* space) noexcept = 0;
  TRAPS(deregisterCreator_2, acquirePluginResource, releasePluginResource, getAllCreatorsRecursive)
};

class VHostMemory : public VRoot {
 public:
  virtual void* data() noexcept = 0;
  virtual size_t size() noexcept = 0;
  TRAPS(type)
};

class VRuntime : public VRoot {
 public:
  TRAPS(getPImpl)
  virtual ICudaEngine* deserializeCudaEngine(void const* blob, size_t size) noexcept = 0;
  TRAPS(deserializeCudaEngine, setDLACore, getDLACore, getNbDLACores, setGpuAllocator, setErrorRecorder,
        getErrorRecorder, getLogger)
  virtual bool setMaxThreads(int32_t threads) noexcept = 0;
  virtual int32_t getMaxThreads() noexcept = 0;
  TRAPS(setTemporaryDirectory, getTemporaryDirectory, setTempfileControlFlags, getTempfileControlFlags,
        getPluginRegistry, setPluginRegistryParent, loadRuntime)
  virtual void setEngineHostCodeAllowed(bool allowed) noexcept = 0;
  virtual bool getEngineHostCodeAllowed() noexcept = 0;
  TRAPS(deserializeCudaEngineV2, getEngineHeaderSize, getEngineValidity)
};

class VCudaEngine : public VRoot {
 public:
  TRAPS(getPImpl)
  virtual int32_t getNbLayers() noexcept = 0;
  TRAPS(serialize)
  virtual IExecutionContext* createExecutionContext(int32_t strategy) noexcept = 0;
  TRAPS(isRefittable)
  virtual char const* getName() noexcept = 0;
  virtual int32_t getNbOptimizationProfiles() noexcept = 0;
  TRAPS(getProfileTensorValues, getEngineCapability, setErrorRecorder, getErrorRecorder, hasImplicitBatchDimension,
        getTacticSources, getProfilingVerbosity)
  virtual IEngineInspector* createEngineInspector() noexcept = 0;
  virtual Dims getTensorShape(char const* name) noexcept = 0;
  virtual int32_t getTensorDataType(char const* name) noexcept = 0;
  virtual int32_t getTensorLocation(char const* name) noexcept = 0;
  virtual bool isShapeInferenceIO(char const* name) noexcept = 0;
  virtual int32_t getTensorIOMode(char const* name) noexcept = 0;
  TRAPS(getTensorBytesPerComponent, getTensorComponentsPerElement)
  virtual int32_t getTensorFormat(char const* name) noexcept = 0;
  TRAPS(getTensorFormatDesc, getTensorVectorizedDim)
  virtual Dims getProfileShape(char const* name, int32_t profile, int32_t selector) noexcept = 0;
  virtual int32_t getNbIOTensors() noexcept = 0;
  virtual char const* getIOTensorName(int32_t index) noexcept = 0;
  virtual int32_t getHardwareCompatibilityLevel() noexcept = 0;
  TRAPS(getNbAuxStreams, getTensorBytesPerComponentV2, getTensorComponentsPerElementV2, getTensorFormatV2,
        getTensorFormatDescV2, getTensorVectorizedDimV2, createSerializationConfig, serializeWithConfig,
        getDeviceMemorySizeForProfile, createRefitter, setWeightStreamingBudget, getWeightStreamingBudget,
        getMinimumWeightStreamingBudget, getStreamableWeightsSize, isDebugTensor, setWeightStreamingBudgetV2,
        getWeightStreamingBudgetV2, getWeightStreamingAutomaticBudget, getWeightStreamingScratchMemorySize)
  virtual int64_t getDeviceMemorySizeV2() noexcept = 0;
  TRAPS(getDeviceMemorySizeForProfileV2, getProfileTensorValuesV2)
  virtual IExecutionContext* createExecutionContextWithRuntimeConfig(IRuntimeConfig* config) noexcept = 0;
  virtual IRuntimeConfig* createRuntimeConfig() noexcept = 0;
  TRAPS(getEngineStat, getAliasedInputTensor)
};

class VEngineInspector : public VRoot {
 public:
  TRAPS(getPImpl, setExecutionContext, getExecutionContext, getLayerInformation)
  virtual char const* getEngineInformation(int32_t format) noexcept = 0;
  TRAPS(setErrorRecorder, getErrorRecorder)
};

class VExecutionContext : public VRoot {
 public:
  TRAPS(getPImpl, setDebugSync, getDebugSync, setProfiler, getProfiler, getEngine, setName, getName, setDeviceMemory,
        getOptimizationProfile, allInputDimensionsSpecified, allInputShapesSpecified, setErrorRecorder,
        getErrorRecorder, executeV2)
  virtual bool setOptimizationProfileAsync(int32_t index, void* stream) noexcept = 0;
  TRAPS(setEnqueueEmitsProfile, getEnqueueEmitsProfile, reportToProfiler)
  virtual bool setInputShape(char const* name, Dims const& dims) noexcept = 0;
  virtual Dims getTensorShape(char const* name) noexcept = 0;
  TRAPS(getTensorStrides)
  virtual bool setTensorAddress(char const* name, void* data) noexcept = 0;
  TRAPS(getTensorAddress, setInputTensorAddress, setOutputTensorAddress)
  virtual int32_t inferShapes(int32_t capacity, char const** names) noexcept = 0;
  TRAPS(setInputConsumedEvent, getInputConsumedEvent, getOutputTensorAddress, setOutputAllocator, getOutputAllocator)
  virtual int64_t getMaxOutputSize(char const* name) noexcept = 0;
  TRAPS(setTemporaryStorageAllocator, getTemporaryStorageAllocator)
  virtual bool enqueueV3(void* stream) noexcept = 0;
  TRAPS(setPersistentCacheLimit, getPersistentCacheLimit, setNvtxVerbosity, getNvtxVerbosity, setAuxStreams,
        setDebugListener, getDebugListener, setTensorDebugState, getDebugState, setAllTensorsDebugState,
        updateDeviceMemorySizeForShapes, setDeviceMemoryV2, getRuntimeConfig, setUnfusedTensorsDebugState,
        getUnfusedTensorsDebugState, isStreamCapturable, setCommunicator)
};

class VRuntimeConfig : public VRoot {
 public:
  TRAPS(getPImpl, setExecutionContextAllocationStrategy, getExecutionContextAllocationStrategy)
  virtual IRuntimeCache* createRuntimeCache() noexcept = 0;
  virtual bool setRuntimeCache(IRuntimeCache const& cache) noexcept = 0;
  TRAPS(getRuntimeCache)
  virtual void setDynamicShapesKernelSpecializationStrategy(int32_t strategy) noexcept = 0;
  TRAPS(getDynamicShapesKernelSpecializationStrategy)
  virtual bool setCudaGraphStrategy(int32_t strategy) noexcept = 0;
  TRAPS(getCudaGraphStrategy)
};

class VRuntimeCache : public VRoot {
 public:
  virtual IHostMemory* serialize() noexcept = 0;
  virtual bool deserialize(void const* blob, size_t size) noexcept = 0;
  TRAPS(reset)
};

class VBuilder : public VRoot {
 public:
  virtual bool platformHasFastFp16() noexcept = 0;
  virtual bool platformHasFastInt8() noexcept = 0;
  TRAPS(getMaxDLABatchSize)
  virtual int32_t getNbDLACores() noexcept = 0;
  TRAPS(setGpuAllocator)
  virtual IBuilderConfig* createBuilderConfig() noexcept = 0;
  virtual INetworkDefinition* createNetworkV2(uint32_t flags) noexcept = 0;
  virtual IOptimizationProfile* createOptimizationProfile() noexcept = 0;
  TRAPS(setErrorRecorder, getErrorRecorder, reset)
  virtual bool platformHasTf32() noexcept = 0;
  virtual IHostMemory* buildSerializedNetwork(INetworkDefinition& network, IBuilderConfig& config) noexcept = 0;
  TRAPS(isNetworkSupported, getLogger)
  virtual bool setMaxThreads(int32_t threads) noexcept = 0;
  virtual int32_t getMaxThreads() noexcept = 0;
  TRAPS(getPluginRegistry, buildSerializedNetworkToStream)
};

class VBuilderConfig : public VRoot {
 public:
  virtual void setAvgTimingIterations(int32_t iterations) noexcept = 0;
  virtual int32_t getAvgTimingIterations() noexcept = 0;
  TRAPS(setEngineCapability, getEngineCapability, setFlags)
  virtual uint32_t getFlags() noexcept = 0;
  virtual void clearFlag(int32_t flag) noexcept = 0;
  virtual void setFlag(int32_t flag) noexcept = 0;
  virtual bool getFlag(int32_t flag) noexcept = 0;
  TRAPS(setDeviceType, getDeviceType, isDeviceTypeSet, resetDeviceType, canRunOnDLA)
  virtual void setDLACore(int32_t core) noexcept = 0;
  virtual int32_t getDLACore() noexcept = 0;
  virtual void setDefaultDeviceType(int32_t type) noexcept = 0;
  virtual int32_t getDefaultDeviceType() noexcept = 0;
  TRAPS(reset, setProfileStream, getProfileStream)
  virtual int32_t addOptimizationProfile(IOptimizationProfile const* profile) noexcept = 0;
  virtual int32_t getNbOptimizationProfiles() noexcept = 0;
  virtual void setProfilingVerbosity(int32_t verbosity) noexcept = 0;
  virtual int32_t getProfilingVerbosity() noexcept = 0;
  virtual bool setTacticSources(uint32_t sources) noexcept = 0;
  virtual uint32_t getTacticSources() noexcept = 0;
  virtual ITimingCache* createTimingCache(void const* blob, size_t size) noexcept = 0;
  virtual bool setTimingCache(ITimingCache const& cache, bool ignoreMismatch) noexcept = 0;
  virtual ITimingCache const* getTimingCache() noexcept = 0;
  virtual void setMemoryPoolLimit(int32_t pool, size_t bytes) noexcept = 0;
  virtual size_t getMemoryPoolLimit(int32_t pool) noexcept = 0;
  TRAPS(setPreviewFeature, getPreviewFeature)
  virtual void setBuilderOptimizationLevel(int32_t level) noexcept = 0;
  virtual int32_t getBuilderOptimizationLevel() noexcept = 0;
  virtual void setHardwareCompatibilityLevel(int32_t level) noexcept = 0;
  virtual int32_t getHardwareCompatibilityLevel() noexcept = 0;
  TRAPS(setPluginsToSerialize, getPluginToSerialize, getNbPluginsToSerialize)
  virtual void setMaxAuxStreams(int32_t streams) noexcept = 0;
  TRAPS(getMaxAuxStreams)
  virtual void setProgressMonitor(IProgressMonitor* monitor) noexcept = 0;
  TRAPS(getProgressMonitor, setRuntimePlatform, getRuntimePlatform, setMaxNbTactics, getMaxNbTactics,
        setTilingOptimizationLevel, getTilingOptimizationLevel, setL2LimitForTiling, getL2LimitForTiling)
  virtual bool setNbComputeCapabilities(int32_t count) noexcept = 0;
  TRAPS(getNbComputeCapabilities)
  virtual bool setComputeCapability(int32_t capability, int32_t index) noexcept = 0;
  virtual int32_t getComputeCapability(int32_t index) noexcept = 0;
};

class VOptimizationProfile : public VRoot {
 public:
  virtual bool setDimensions(char const* name, int32_t selector, Dims const& dims) noexcept = 0;
  TRAPS(getDimensions, setShapeValues, getNbShapeValues, getShapeValues, setExtraMemoryTarget, getExtraMemoryTarget)
  virtual bool isValid() noexcept = 0;
  TRAPS(setShapeValuesV2, getShapeValuesV2)
};

class VNetworkDefinition : public VRoot {
 public:
  TRAPS(addInput, markOutput, addActivation, addLRN, addScale, addSoftMax, addConcatenation, addElementWise, addUnary,
        addShuffle)
  virtual int32_t getNbLayers() noexcept = 0;
  TRAPS(getLayer)
  virtual int32_t getNbInputs() noexcept = 0;
  virtual ITensor* getInput(int32_t index) noexcept = 0;
  virtual int32_t getNbOutputs() noexcept = 0;
  virtual ITensor* getOutput(int32_t index) noexcept = 0;
  TRAPS(addReduce, addTopK, addGather, addRaggedSoftMax, addMatrixMultiply, addConstant, addIdentity, removeTensor,
        unmarkOutput, addSlice, setName, getName, addShape, hasImplicitBatchDimension, markOutputForShapes,
        unmarkOutputForShapes, addParametricReLU, addConvolutionNd, addPoolingNd, addDeconvolutionNd, addScaleNd,
        addResize, addLoop, addSelect)
  TRAPS(addFill, addPaddingNd, setWeightsName, setErrorRecorder, getErrorRecorder, addGatherV2, addIfConditional,
        addScatter, addEinsum, addAssertion, addOneHot, addNonZero, addGridSample, addNMS, addReverseSequence,
        addNormalization, addCast, getBuilder, getFlags, getFlag, addQuantizeV2, addDequantizeV2, addFillV2,
        markDebug)
  TRAPS(unmarkDebug, isDebugTensor, markWeightsRefittable, unmarkWeightsRefittable, areWeightsMarkedRefittable,
        addSqueeze, addUnsqueeze, addDynamicQuantize, addCumulative, markUnfusedTensorsAsDebugTensors,
        unmarkUnfusedTensorsAsDebugTensors, addTopKV2, addNonZeroV2, addNMSV2, addAttention, addRotaryEmbedding,
        addDynamicQuantizeV2, addKVCacheUpdate, addNormalizationV2, addMoE, addDistCollective)
};

class VTensor : public VRoot {
 public:
  TRAPS(setName)
  virtual char const* getName() noexcept = 0;
  TRAPS(setDimensions)
  virtual Dims getDimensions() noexcept = 0;
  TRAPS(setType)
  virtual int32_t getType() noexcept = 0;
  TRAPS(isNetworkInput, isNetworkOutput, setAllowedFormats, getAllowedFormats)
  virtual bool isShapeTensor() noexcept = 0;
  TRAPS(isExecutionTensor, setDimensionName, getDimensionName)
};

class VTimingCache : public VRoot {
 public:
  virtual IHostMemory* serialize() noexcept = 0;
  TRAPS(combine, reset, queryKeys, query, update)
};
