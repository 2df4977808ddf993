// Runtime side: runtime, engine, execution context.
#pragma once

#include <map>

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

  const std::shared_ptr<Engine> engine;
  std::map<std::string, std::shared_ptr<Memory>> addresses;
  // The context goes before the config that it was made with, and that before the cache that it names.
  Native cache;
  Native config;
  Native native;
};

}  // namespace trtd
