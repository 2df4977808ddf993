#include "builder.h"

#include <cstring>

using namespace trtd;

extern "C" {

int32_t trtd_builder_create(uint64_t library, uint64_t device, int32_t flags, uint64_t* builder, trtd_error* error) {
  return guard(error, [&] {
    requireOut(builder, "\"builder\" must not be NULL");
    const Locked<Library> target(library);
    const auto where = device != 0 ? get<Device>(device) : nullptr;
    if (target->createBuilder == nullptr) {
      fail(TRTD_UNSUPPORTED, target->name() + " (\"" + target->corePath + "\") is a " +
                                 (target->kind == TRTD_LIBRARY_DISPATCH ? "dispatch" : "lean") +
                                 " runtime: it has no builder");
    }
    requireDriver(*target, flags);
    makeCurrent(where);
    const Burst burst(*target->log);
    void* const made = checkedResult(target->createBuilder(target->logger, target->rawVersion), burst,
                                     TRTD_NULL_RESULT, "createInferBuilder");
    *builder = publish(std::make_shared<Builder>(target.share(), where, made));
  });
}

int32_t trtd_builder_facts(uint64_t builder, trtd_builder_info* info, trtd_error* error) {
  return guard(error, [&] {
    require(info != nullptr, "\"info\" must not be NULL");
    const Locked<Builder> target(builder);
    makeCurrent(target->device);
    const Library& library = *target->library;
    const auto ask = [&](Method method) {
      if (!library.has(method)) return -1;
      return library.call<bool>(target->native.get(), method) ? 1 : 0;
    };
    trtd_builder_info facts{};
    facts.fast_fp16 = ask(Builder_platformHasFastFp16);
    facts.fast_int8 = ask(Builder_platformHasFastInt8);
    facts.tf32 = ask(Builder_platformHasTf32);
    facts.dla_cores = library.call<int32_t>(target->native.get(), Builder_getNbDLACores);
    facts.max_threads = library.call<int32_t>(target->native.get(), Builder_getMaxThreads);
    *info = facts;
  });
}

int32_t trtd_builder_set_threads(uint64_t builder, int32_t threads, trtd_error* error) {
  return guard(error, [&] {
    require(threads >= 1, "\"threads\" must be 1 or more");
    const Locked<Builder> target(builder);
    const Burst burst(*target->library->log);
    if (!target->library->call<bool>(target->native.get(), Builder_setMaxThreads, threads)) {
      burst.fail(TRTD_REFUSED, "The builder refused " + std::to_string(threads) + " threads");
    }
  });
}

int32_t trtd_builder_build(uint64_t builder, uint64_t network, uint64_t config, uint64_t* blob, trtd_error* error) {
  return guard(error, [&] {
    requireOut(blob, "\"blob\" must not be NULL");
    const auto b = get<Builder>(builder);
    const auto n = get<Network>(network);
    const auto c = get<Config>(config);
    require(n->builder == b && c->builder == b, "Network and config must come from this builder");
    const std::scoped_lock lock(b->mutex, n->mutex, c->mutex);
    makeCurrent(b->device);
    const Library& library = *b->library;
    const Burst burst(*library.log);
    void* const plan = library.call<void*>(b->native.get(), Builder_buildSerializedNetwork, n->native.get(), c->native.get());
    if (isNull(plan)) {
      if (c->monitor && c->monitor->cancelled()) fail(TRTD_CANCELLED, "The build was cancelled");
      burst.fail(TRTD_BUILD_FAILED, "The builder returned no engine");
    }
    *blob = publish(std::make_shared<Blob>(b->library, b, plan, TRTD_BUILD_FAILED));
  });
}
}
