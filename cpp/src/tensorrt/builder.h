// Builder side: builder, network, config, profile.
#pragma once

#include <map>
#include <vector>

#include "blob.h"

namespace trtd {

struct Builder final : Object {
  static constexpr Kind KIND = Kind::builder;
  Builder(std::shared_ptr<Library> owner, std::shared_ptr<Device> where, void* made)
      : Object(KIND), library(std::move(owner)), device(std::move(where)), native(made) {}
  ~Builder() override { makeCurrentQuietly(device); }

  const std::shared_ptr<Library> library;
  const std::shared_ptr<Device> device;  // null: none
  Native native;
};

struct Network final : Object {
  static constexpr Kind KIND = Kind::network;
  Network(std::shared_ptr<Builder> owner, void* made) : Object(KIND), builder(std::move(owner)), native(made) {}
  ~Network() override;

  const std::shared_ptr<Builder> builder;
  Native native;
  void* parser = nullptr;  // owns the weights: deleted after the network
  std::vector<trtd_parser_error> complaints;
};

struct Profile final : Object {
  static constexpr Kind KIND = Kind::profile;
  // The builder owns its profiles.
  Profile(std::shared_ptr<Builder> owner, void* made) : Object(KIND), builder(std::move(owner)), native(made) {}

  struct Shapes {
    bool given[3] = {};
    trtd_dims dims[3] = {};
  };

  const std::shared_ptr<Builder> builder;
  void* const native;
  std::map<std::string, Shapes> shapes;
};

struct Config final : Object {
  static constexpr Kind KIND = Kind::config;
  Config(std::shared_ptr<Builder> owner, void* made) : Object(KIND), builder(std::move(owner)), native(made) {}
  ~Config() override { makeCurrentQuietly(builder->device); }

  const Library& library() const { return *builder->library; }

  const std::shared_ptr<Builder> builder;
  // Both outlive the config that points to them.
  std::shared_ptr<ProgressMonitor> monitor;
  Native timingCache;
  std::vector<std::shared_ptr<Profile>> profiles;
  Native native;
  // Read by trtd_config_cancel() without the object's lock.
  std::mutex cancelling;
};

}  // namespace trtd
