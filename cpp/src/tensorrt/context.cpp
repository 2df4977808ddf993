#include <vector>

#include "runtime.h"

namespace trtd {
namespace {

void configureRtx(Context& context, int32_t flags, const void* cache, uint64_t bytes) {
  const Library& library = context.library();
  if (!library.has(RuntimeConfig_createRuntimeCache)) {
    fail(TRTD_UNSUPPORTED, library.name() + " has no runtime cache and no graph strategy");
  }
  const Burst burst(*library.log);
  void* const engine = context.engine->native.get();
  context.config.reset(checkedResult(library.call<void*>(engine, CudaEngine_createRuntimeConfig), burst,
                                     TRTD_NULL_RESULT, "createRuntimeConfig"));
  void* const config = context.config.get();
  if ((flags & TRTD_CONTEXT_RUNTIME_CACHE) != 0) {
    context.cache.reset(checkedResult(library.call<void*>(config, RuntimeConfig_createRuntimeCache), burst,
                                      TRTD_NULL_RESULT, "createRuntimeCache"));
    if (bytes > 0 &&
        (!library.call<bool>(context.cache.get(), RuntimeCache_deserialize, cache, static_cast<size_t>(bytes)) ||
         burst.any())) {
      burst.fail(TRTD_REFUSED, library.name() + " did not take the runtime cache");
    }
    if (!library.call<bool>(config, RuntimeConfig_setRuntimeCache, context.cache.get())) {
      burst.fail(TRTD_REFUSED, library.name() + " did not take the runtime cache");
    }
  }
  constexpr int32_t EAGER = 1;
  if ((flags & TRTD_CONTEXT_SPECIALIZE) != 0) {
    library.call<void>(config, RuntimeConfig_setDynamicShapesKernelSpecializationStrategy, EAGER);
  }
  constexpr int32_t WHOLE_GRAPH_CAPTURE = 1;
  if ((flags & TRTD_CONTEXT_CUDA_GRAPH) != 0 &&
      !library.call<bool>(config, RuntimeConfig_setCudaGraphStrategy, WHOLE_GRAPH_CAPTURE)) {
    burst.fail(TRTD_REFUSED, library.name() + " did not take the CUDA graph strategy");
  }
}

void* createContext(const Context& context) {
  const Library& library = context.library();
  void* const engine = context.engine->native.get();
  constexpr int32_t STATIC_ALLOCATION = 0;
  if (context.config.get() != nullptr) {
    return library.call<void*>(engine, CudaEngine_createExecutionContextWithRuntimeConfig, context.config.get());
  }
  if (library.row().contextTakesStrategy) {
    return library.call<void*>(engine, CudaEngine_createExecutionContext, STATIC_ALLOCATION);
  }
  return library.call<void*>(engine, CudaEngine_createExecutionContext);
}

bool setInputShape(const Library& library, void* context, const char* name, const trtd_dims& dims) {
  if (library.row().wideDims) {
    Dims64 wide{};
    wide.count = dims.count;
    for (int32_t i = 0; i < dims.count; ++i) wide.size[i] = dims.size[i];
    return library.call<bool>(context, ExecutionContext_setInputShape, name, static_cast<const Dims64*>(&wide));
  }
  Dims32 narrow{};
  narrow.count = dims.count;
  for (int32_t i = 0; i < dims.count; ++i) narrow.size[i] = static_cast<int32_t>(dims.size[i]);
  return library.call<bool>(context, ExecutionContext_setInputShape, name, static_cast<const Dims32*>(&narrow));
}

}  // namespace

void Context::setShape(const char* name, const trtd_dims& dims) {
  const Burst burst(*library().log);
  ++changes;
  if (!setInputShape(library(), native.get(), name, dims)) {
    burst.fail(TRTD_EXECUTION_FAILED, std::string("The context did not take the shape of \"") + name + "\"");
  }
}

trtd_dims Context::shape(const char* name) const {
  return library().callDims(native.get(), ExecutionContext_getTensorShape, name);
}

int64_t Context::outputBytes(const char* name) const {
  const Burst burst(*library().log);
  const auto bytes = library().call<int64_t>(native.get(), ExecutionContext_getMaxOutputSize, name);
  if (bytes < 0) burst.fail(TRTD_EXECUTION_FAILED, std::string("The size of \"") + name + "\" is not known");
  return bytes;
}

void Context::setAddress(const char* name, std::shared_ptr<Memory> memory, uint64_t offset) {
  const Burst burst(*library().log);
  ++changes;
  void* const address = reinterpret_cast<void*>(static_cast<uintptr_t>(memory->address + offset));
  if (!library().call<bool>(native.get(), ExecutionContext_setTensorAddress, name, address)) {
    burst.fail(TRTD_EXECUTION_FAILED, std::string("The context did not take the address of \"") + name + "\"");
  }
  addresses[name] = std::move(memory);
}

void Context::enqueue(CudaStream stream) const {
  const Burst burst(*library().log);
  if (!library().call<bool>(native.get(), ExecutionContext_enqueueV3, stream)) {
    burst.fail(TRTD_EXECUTION_FAILED, "The context did not take the run");
  }
}

}  // namespace trtd

using namespace trtd;

extern "C" {

int32_t trtd_context_create(uint64_t engine, int32_t flags, const void* cache, uint64_t bytes, uint64_t* context,
                            trtd_error* error) {
  return guard(error, [&] {
    requireOut(context, "\"context\" must not be NULL");
    require((flags & ~(TRTD_CONTEXT_RUNTIME_CACHE | TRTD_CONTEXT_CUDA_GRAPH | TRTD_CONTEXT_SPECIALIZE)) == 0, "\"flags\" has an unknown bit");
    require(bytes == 0 || (cache != nullptr && (flags & TRTD_CONTEXT_RUNTIME_CACHE) != 0),
            "A cache needs its bytes and the flag TRTD_CONTEXT_RUNTIME_CACHE");
    const Locked<Engine> target(engine);
    auto made = std::make_shared<Context>(target.share());
    made->makeCurrent();
    if (flags != 0) configureRtx(*made, flags, cache, bytes);
    const Burst burst(*made->library().log);
    made->native.reset(checkedResult(createContext(*made), burst, TRTD_NULL_RESULT, "createExecutionContext"));
    *context = publish(std::move(made));
  });
}

int32_t trtd_context_save_cache(uint64_t context, uint64_t* blob, trtd_error* error) {
  return guard(error, [&] {
    requireOut(blob, "\"blob\" must not be NULL");
    const Locked<Context> target(context);
    if (target->cache.get() == nullptr) fail(TRTD_UNSUPPORTED, "The context was made without a runtime cache");
    const Library& library = target->library();
    const Burst burst(*library.log);
    void* const memory = checkedResult(library.call<void*>(target->cache.get(), RuntimeCache_serialize), burst,
                                       TRTD_NULL_RESULT, "IRuntimeCache::serialize");
    *blob = publish(std::make_shared<Blob>(target->engine->runtime->library, target.share(), memory, TRTD_NULL_RESULT));
  });
}

int32_t trtd_context_set_shape(uint64_t context, const char* name, const trtd_dims* dims, trtd_error* error) {
  return guard(error, [&] {
    require(name != nullptr && dims != nullptr, "\"name\" and \"dims\" must not be NULL");
    require(dims->count >= 0 && dims->count <= 8, "A shape has 0 to 8 dimensions");
    for (int32_t i = 0; i < dims->count; ++i) {
      require(dims->size[i] >= 0 && dims->size[i] <= INT32_MAX, "A dimension must be 0 to 2147483647");
    }
    const Locked<Context> target(context);
    target->makeCurrent();
    target->setShape(name, *dims);
  });
}

int32_t trtd_context_shape(uint64_t context, const char* name, trtd_dims* dims, trtd_error* error) {
  return guard(error, [&] {
    require(name != nullptr && dims != nullptr, "\"name\" and \"dims\" must not be NULL");
    const Locked<Context> target(context);
    *dims = target->shape(name);
  });
}

int32_t trtd_context_output_bytes(uint64_t context, const char* name, int64_t* bytes, trtd_error* error) {
  return guard(error, [&] {
    require(name != nullptr && bytes != nullptr, "\"name\" and \"bytes\" must not be NULL");
    const Locked<Context> target(context);
    *bytes = target->outputBytes(name);
  });
}

int32_t trtd_context_set_address(uint64_t context, const char* name, uint64_t memory, uint64_t offset,
                                 trtd_error* error) {
  return guard(error, [&] {
    require(name != nullptr, "\"name\" must not be NULL");
    const Locked<Context> target(context);
    auto where = get<Memory>(memory);
    require(offset < where->bytes, "\"offset\" must be inside the memory");
    target->setAddress(name, std::move(where), offset);
  });
}

int32_t trtd_context_set_profile(uint64_t context, int32_t index, uint64_t stream, trtd_error* error) {
  return guard(error, [&] {
    const Locked<Context> target(context);
    const Locked<Stream> queue(stream);
    target->makeCurrent();
    const Burst burst(*target->library().log);
    ++target->changes;
    if (!target->library().call<bool>(target->native.get(), ExecutionContext_setOptimizationProfileAsync, index,
                                      queue->stream)) {
      burst.fail(TRTD_EXECUTION_FAILED, "The context did not take profile " + std::to_string(index));
    }
  });
}

int32_t trtd_context_missing_shapes(uint64_t context, char* text, uint64_t capacity, uint64_t* length,
                                    trtd_error* error) {
  return guard(error, [&] {
    const Locked<Context> target(context);
    const Library& library = target->library();
    const int32_t tensors = library.call<int32_t>(target->engine->native.get(), CudaEngine_getNbIOTensors);
    std::vector<const char*> names(static_cast<size_t>(tensors > 0 ? tensors : 1), nullptr);
    target->makeCurrent();
    const Burst burst(*library.log);
    const int32_t missing = library.call<int32_t>(target->native.get(), ExecutionContext_inferShapes,
                                                  static_cast<int32_t>(names.size()), names.data());
    if (missing < 0) burst.fail(TRTD_EXECUTION_FAILED, "The shapes cannot be inferred");
    std::string lines;
    for (int32_t i = 0; i < missing && static_cast<size_t>(i) < names.size(); ++i) {
      const char* const name = names[static_cast<size_t>(i)];
      if (isNull(name)) continue;
      if (!lines.empty()) lines += '\n';
      lines += name;
    }
    giveText(lines, text, capacity, length);
  });
}

int32_t trtd_context_enqueue(uint64_t context, uint64_t stream, trtd_error* error) {
  return guard(error, [&] {
    const Locked<Context> target(context);
    const Locked<Stream> queue(stream);
    target->makeCurrent();
    target->enqueue(queue->stream);
  });
}
}
