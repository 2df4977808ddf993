// Runtime side: runtime, engine, execution context.
#pragma once

#include <map>
#include <vector>

#include "blob.h"

namespace trtd {

struct Runtime final : Object {
  static constexpr Kind KIND = Kind::runtime;
  Runtime(std::shared_ptr<Library> owner, std::shared_ptr<Device> where, void* made)
      : Object(KIND), library(std::move(owner)), device(std::move(where)), native(made) {}
  ~Runtime() override { makeCurrentQuietly(device); }

  const std::shared_ptr<Library> library;
  const std::shared_ptr<Device> device;  // null: none
  Native native;
};

struct Engine final : Object {
  static constexpr Kind KIND = Kind::engine;
  Engine(std::shared_ptr<Runtime> owner, void* made) : Object(KIND), runtime(std::move(owner)), native(made) {}
  ~Engine() override { makeCurrentQuietly(runtime->device); }

  const Library& library() const { return *runtime->library; }

  const std::shared_ptr<Runtime> runtime;
  Native native;
};

struct Context final : Object {
  static constexpr Kind KIND = Kind::context;
  explicit Context(std::shared_ptr<Engine> owner) : Object(KIND), engine(std::move(owner)) {}
  ~Context() override { makeCurrentQuietly(engine->runtime->device); }

  const Library& library() const { return engine->library(); }
  void makeCurrent() const { trtd::makeCurrent(engine->runtime->device); }

  // All callers hold the context's lock and made its device current.
  void setShape(const char* name, const trtd_dims& dims);
  trtd_dims shape(const char* name) const;
  int64_t outputBytes(const char* name) const;
  void setAddress(const char* name, std::shared_ptr<Memory> memory, uint64_t offset);
  void enqueue(CudaStream stream) const;

  const std::shared_ptr<Engine> engine;
  std::map<std::string, std::shared_ptr<Memory>> addresses;
  // Counts what changed shapes, addresses or profile: work that was captured before is not the context's any more.
  uint64_t changes = 0;
  // The context goes before the config that it was made with, and that before the cache that it names.
  Native cache;
  Native config;
  Native native;
};

// An input or output of an engine.
struct EngineTensor {
  std::string name;
  int32_t mode;
  int32_t type;
  int32_t format;  // 0 is linear
  trtd_dims dims;  // -1 for a dynamic dimension
};
std::vector<EngineTensor> tensorsOf(const Engine& engine);

// Bytes of a tensor; 0 for a type of less than a byte or a shape that is not known.
uint64_t tensorBytes(int32_t type, const trtd_dims& dims);

}  // namespace trtd
