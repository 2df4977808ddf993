// Drives libtrtd from C++ over the fakes, for runs under AddressSanitizer, UBSan and qemu:
//   drive whole|failing|threads|pipes CUDA CORE PARSER PLUGINS [STEP FAKE MODEL]     PLUGINS "-" for none
// `failing` prints STATUS, ORIGIN, CODE and MESSAGE between tabs; the others print "fine" or the first thing wrong.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "trtd.h"

namespace {

struct Stop {
  trtd_error error;
};

// Runs a call and throws its error record.
template <class Function, class... Arguments>
void must(Function function, Arguments... arguments) {
  trtd_error error{};
  if (function(arguments..., &error) != TRTD_OK) throw Stop{error};
}

void expect(bool condition, char const* what) {
  if (condition) return;
  fprintf(stdout, "wrong: %s\n", what);
  exit(1);
}

struct Set {
  char const* cuda;
  char const* core;
  char const* parser;
  char const* plugins;
};

uint64_t openSet(Set const& set) {
  trtd_cuda_info info;
  must(trtd_cuda_open, set.cuda, &info);
  uint64_t library = 0;
  must(trtd_library_open, set.core, 0, &library);
  must(trtd_library_open_parser, library, set.parser);
  if (strcmp(set.plugins, "-") != 0) must(trtd_library_open_plugins, library, set.plugins);
  return library;
}

trtd_dims shape(int64_t batch) { return trtd_dims{4, 0, {batch, 3, 2, 2}}; }

uint64_t buildPlan(uint64_t library, uint64_t device) {
  uint64_t builder = 0, network = 0, config = 0, profile = 0, blob = 0;
  must(trtd_builder_create, library, device, 0, &builder);
  trtd_builder_info builderFacts;
  must(trtd_builder_facts, builder, &builderFacts);
  must(trtd_builder_set_threads, builder, 2);
  must(trtd_network_create, builder, 0, &network);
  char const model[] = "model\ninput images 0 -1x3x2x2\noutput output0 0 -1x4\nlayers 7\n";
  // An exact copy on the heap, so that a read beyond the end is seen.
  std::vector<char> const bytes(model, model + sizeof model - 1);
  must(trtd_network_parse, network, static_cast<void const*>(bytes.data()), uint64_t{bytes.size()}, "/models/m.onnx");
  trtd_network_info networkFacts;
  must(trtd_network_facts, network, &networkFacts);
  expect(networkFacts.layers == 7 && networkFacts.inputs == 1 && networkFacts.outputs == 1, "network facts");
  trtd_tensor_info tensor;
  must(trtd_network_tensor, network, int32_t{TRTD_MODE_INPUT}, 0, &tensor);
  expect(strcmp(tensor.name, "images") == 0 && tensor.dims.size[0] == -1, "network tensor");
  must(trtd_config_create, builder, &config);
  trtd_error error;
  for (int32_t flag = 0; flag <= TRTD_FLAG_EDITABLE_TIMING_CACHE; ++flag) {
    int32_t on = 0;
    if (trtd_config_get_flag(config, flag, &on, &error) != TRTD_OK) continue;
    must(trtd_config_set_flag, config, flag, 1 - on);
    must(trtd_config_set_flag, config, flag, on);
  }
  for (int32_t pool = 0; pool <= TRTD_POOL_TACTIC_SHARED_MEMORY; ++pool) {
    trtd_config_set_pool(config, pool, 1 << 20, &error);
  }
  for (int32_t option = 0; option <= TRTD_OPTION_AVERAGE_TIMING_ITERATIONS; ++option) {
    trtd_config_set_option(config, option, 1, &error);
  }
  int32_t const targets[] = {75, 120};
  trtd_config_set_targets(config, targets, 2, &error);
  trtd_config_watch_progress(config, 1, &error);
  must(trtd_config_load_timing_cache, config, static_cast<void const*>("TIMING5"), uint64_t{7}, 0);
  must(trtd_profile_create, builder, &profile);
  for (int32_t selector = 0; selector < 3; ++selector) {
    trtd_dims const dims = shape(1 << selector);
    must(trtd_profile_set_shape, profile, "images", selector, &dims);
  }
  int32_t index = -1;
  must(trtd_config_add_profile, config, profile, &index);
  must(trtd_builder_build, builder, network, config, &blob);
  uint64_t cache = 0, size = 0;
  must(trtd_config_save_timing_cache, config, &cache);
  must(trtd_blob_size, cache, &size);
  char text[8] = {};
  must(trtd_blob_read, cache, uint64_t{0}, static_cast<void*>(text), size);
  expect(strcmp(text, "TIMING6") == 0, "timing cache");
  for (uint64_t const handle : {builder, network, config, profile, cache}) must(trtd_close, handle);
  return blob;
}

// The runtime cache of a context that began with `kernels`. The blob outlives the context that it came from.
std::vector<char> keptKernels(uint64_t engine, std::vector<char> const& kernels) {
  uint64_t context = 0, blob = 0, size = 0;
  void const* const bytes = kernels.empty() ? nullptr : kernels.data();
  must(trtd_context_create, engine, int32_t{TRTD_CONTEXT_RUNTIME_CACHE}, bytes, uint64_t{kernels.size()}, &context);
  must(trtd_context_save_cache, context, &blob);
  must(trtd_close, context);
  must(trtd_blob_size, blob, &size);
  std::vector<char> kept(size);
  must(trtd_blob_read, blob, uint64_t{0}, static_cast<void*>(kept.data()), size);
  must(trtd_close, blob);
  return kept;
}

void runPlan(uint64_t library, uint64_t device, std::vector<uint8_t> const& plan) {
  uint64_t runtime = 0, engine = 0, context = 0, stream = 0, input = 0, output = 0;
  must(trtd_runtime_create, library, device, 0, &runtime);
  must(trtd_engine_load, runtime, static_cast<void const*>(plan.data()), uint64_t{plan.size()}, &engine);
  trtd_engine_info facts;
  must(trtd_engine_facts, engine, &facts);
  for (int32_t i = 0; i < facts.tensors; ++i) {
    trtd_tensor_info tensor;
    must(trtd_engine_tensor, engine, i, &tensor);
  }
  trtd_dims dims;
  must(trtd_engine_profile_shape, engine, "images", 0, int32_t{TRTD_SELECTOR_MAX}, &dims);
  expect(dims.count == 4 && dims.size[0] == 4, "profile shape");
  uint64_t length = 0;
  trtd_error error;
  expect(trtd_engine_describe(engine, 1, nullptr, 0, &length, &error) == TRTD_BUFFER_TOO_SMALL, "length of the layers");
  std::vector<char> text(length + 1);
  must(trtd_engine_describe, engine, 1, text.data(), uint64_t{text.size()}, &length);
  bool const rtx = strncmp(reinterpret_cast<char const*>(plan.data()), "vtrt", 4) == 0;
  int32_t const cached = TRTD_CONTEXT_RUNTIME_CACHE;
  if (rtx) {
    // From nothing to kernels, from those to the same ones; foreign ones are refused.
    std::vector<char> const kernels = keptKernels(engine, {});
    std::string const wanted = "KERNELS conv";
    expect(std::string(kernels.begin(), kernels.end()) == wanted, "kernels of a fresh cache");
    expect(keptKernels(engine, kernels) == kernels, "kernels of a cache that has them");
    expect(trtd_context_create(engine, cached, "FOREIGN", 7, &context, &error) == TRTD_REFUSED, "foreign kernels");
    expect(trtd_context_create(engine, 0, "KERNELS", 7, &context, &error) == TRTD_INVALID_ARGUMENT, "cache, no flag");
    must(trtd_context_create, engine, int32_t{TRTD_CONTEXT_CUDA_GRAPH}, static_cast<void const*>(nullptr), uint64_t{0},
         &context);
    uint64_t none = 0;
    expect(trtd_context_save_cache(context, &none, &error) == TRTD_UNSUPPORTED, "cache of a context without one");
  } else {
    expect(trtd_context_create(engine, cached, nullptr, 0, &context, &error) == TRTD_UNSUPPORTED, "no runtime cache");
    must(trtd_context_create, engine, 0, static_cast<void const*>(nullptr), uint64_t{0}, &context);
  }
  must(trtd_stream_create, device, &stream);
  must(trtd_context_set_profile, context, 0, stream);
  trtd_dims const two = shape(2);
  must(trtd_context_set_shape, context, "images", &two);
  char missing[64];
  must(trtd_context_missing_shapes, context, missing, uint64_t{sizeof missing}, &length);
  expect(missing[0] == 0, "missing shapes");
  must(trtd_context_shape, context, "output0", &dims);
  expect(dims.size[0] == 2 && dims.size[1] == 4, "output shape");
  int64_t bytes = 0;
  must(trtd_context_output_bytes, context, "output0", &bytes);
  must(trtd_memory_allocate, device, uint64_t{96}, &input);
  must(trtd_memory_allocate, device, static_cast<uint64_t>(bytes), &output);
  std::vector<float> values(24);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  must(trtd_memory_write, input, uint64_t{0}, static_cast<void const*>(values.data()), uint64_t{96});
  expect(trtd_context_enqueue(context, stream, &error) == TRTD_EXECUTION_FAILED, "run without addresses");
  must(trtd_context_set_address, context, "images", input, uint64_t{0});
  must(trtd_context_set_address, context, "output0", output, uint64_t{0});
  must(trtd_context_enqueue, context, stream);
  must(trtd_stream_synchronize, stream);
  std::vector<float> answer(8);
  must(trtd_memory_read, output, uint64_t{0}, static_cast<void*>(answer.data()), uint64_t{32});
  for (size_t i = 0; i < answer.size(); ++i) expect(answer[i] == 2 * static_cast<float>(i) + 1, "answer");
  expect(trtd_memory_read(output, 1, answer.data(), 32, &error) == TRTD_INVALID_ARGUMENT, "read beyond the end");
  for (uint64_t const handle : {runtime, engine, input, context, stream, output}) must(trtd_close, handle);
}

void whole(Set const& set) {
  uint64_t const library = openSet(set);
  must(trtd_log_to_ring, uint64_t{1 << 16}, int32_t{TRTD_SEVERITY_VERBOSE});
  int32_t checks = 0;
  must(trtd_library_self_check, library, 0, &checks);
  expect(checks >= 13, "self-check");
  int32_t present = -1;
  must(trtd_library_has_plugin, library, "EfficientNMS_TRT", "1", "", &present);
  expect(present == (strcmp(set.plugins, "-") != 0 ? 1 : 0), "plugin");
  uint64_t device = 0, size = 0;
  must(trtd_device_open, 0, &device);
  uint64_t const blob = buildPlan(library, device);
  must(trtd_blob_size, blob, &size);
  std::vector<uint8_t> plan(size);
  must(trtd_blob_read, blob, uint64_t{0}, static_cast<void*>(plan.data()), size);
  must(trtd_close, blob);
  runPlan(library, device, plan);
  std::vector<uint8_t> records(1 << 16);
  uint64_t length = 0, lost = 0;
  must(trtd_log_drain, records.data(), uint64_t{records.size()}, &length, &lost);
  // Whatever is cut off or changed in a plan, loading it fails or succeeds, and nothing else.
  uint64_t runtime = 0;
  must(trtd_runtime_create, library, device, 0, &runtime);
  for (size_t end = 1; end < plan.size(); ++end) {
    std::vector<uint8_t> const part(plan.begin(), plan.begin() + static_cast<ptrdiff_t>(end));
    uint64_t engine = 0;
    trtd_error error;
    expect(trtd_engine_load(runtime, part.data(), part.size(), &engine, &error) == TRTD_PLAN_REFUSED, "truncated plan");
  }
  for (uint64_t const handle : {library, device, runtime, runtime, uint64_t{0}}) must(trtd_close, handle);
  expect(trtd_live_handles() == 0, "handles are left");
}

void failing(Set const& set, std::string const& step, char const* fake, char const* model) {
  auto const at = [&](char const* name) {
    if (step == name) setenv("TRTD_FAKE", fake, 1);
  };
  at("open");
  uint64_t const library = openSet(set);
  uint64_t builder = 0, network = 0, config = 0, blob = 0, runtime = 0, engine = 0, context = 0, size = 0;
  at("builder");
  must(trtd_builder_create, library, uint64_t{0}, 0, &builder);
  at("network");
  must(trtd_network_create, builder, 0, &network);
  at("parse");
  must(trtd_network_parse, network, static_cast<void const*>(model), uint64_t{strlen(model)},
       static_cast<char const*>(nullptr));
  at("build");
  must(trtd_config_create, builder, &config);
  must(trtd_builder_build, builder, network, config, &blob);
  at("runtime");
  must(trtd_runtime_create, library, uint64_t{0}, 0, &runtime);
  at("load");
  must(trtd_blob_size, blob, &size);
  std::vector<uint8_t> plan(size);
  must(trtd_blob_read, blob, uint64_t{0}, static_cast<void*>(plan.data()), size);
  must(trtd_engine_load, runtime, static_cast<void const*>(plan.data()), size, &engine);
  at("context");
  must(trtd_context_create, engine, 0, static_cast<void const*>(nullptr), uint64_t{0}, &context);
  if (step != "cache") return;
  at("cache");
  must(trtd_context_create, engine, int32_t{TRTD_CONTEXT_RUNTIME_CACHE}, static_cast<void const*>("KERNELS of before"),
       uint64_t{17}, &context);
  must(trtd_context_save_cache, context, &blob);
}

// A pipe that is slow, without blocking, and then gone: no line is lost, and no write ends the process.
void pipes() {
  signal(SIGPIPE, SIG_IGN);
  int ends[2];
  expect(pipe(ends) == 0, "pipe");
  fcntl(ends[1], F_SETFL, O_NONBLOCK);
  constexpr int LINES = 5000;
  std::string received;
  std::thread reader([&] {
    char text[4096];
    ssize_t length = 0;
    while ((length = read(ends[0], text, sizeof text)) > 0) {
      received.append(text, static_cast<size_t>(length));
      if (received.find("the last line\n") != std::string::npos) break;
      usleep(50);
    }
  });
  must(trtd_log_to_descriptor, ends[1], int32_t{TRTD_SEVERITY_INFO});
  for (int i = 0; i < LINES; ++i) {
    must(trtd_log_write, int32_t{TRTD_SEVERITY_INFO}, "pipe", (std::string(60, 'x') + std::to_string(i)).c_str());
  }
  must(trtd_log_write, int32_t{TRTD_SEVERITY_INFO}, "pipe", "the last line");
  reader.join();
  size_t found = 0;
  for (char const c : received) found += c == '\n' ? 1u : 0u;
  expect(found == LINES + 1, "lines through the pipe");
  close(ends[0]);
  must(trtd_log_write, int32_t{TRTD_SEVERITY_INFO}, "pipe", "to nobody");
  close(ends[1]);
  must(trtd_log_to_descriptor, -1, int32_t{TRTD_SEVERITY_NONE});
}

// Many threads on the same objects, the ring and the table of handles.
void threads(Set const& set) {
  uint64_t const library = openSet(set);
  must(trtd_log_to_ring, uint64_t{1 << 14}, int32_t{TRTD_SEVERITY_VERBOSE});
  uint64_t device = 0;
  must(trtd_device_open, 0, &device);
  uint64_t builder = 0;
  must(trtd_builder_create, library, uint64_t{0}, 0, &builder);
  std::vector<std::thread> all;
  for (int worker = 0; worker < 4; ++worker) {
    all.emplace_back([&, worker] {
      for (int round = 0; round < 50; ++round) {
        must(trtd_log_write, int32_t{TRTD_SEVERITY_INFO}, "worker", std::to_string(worker * 1000 + round).c_str());
        uint64_t blob = 0, config = 0, length = 0, lost = 0;
        if (round % 10 == 0) {
          blob = buildPlan(library, device);
          must(trtd_close, blob);
        }
        must(trtd_config_create, builder, &config);
        must(trtd_config_set_flag, config, int32_t{TRTD_FLAG_DEBUG}, 1);
        must(trtd_close, config);
        std::vector<uint8_t> records(1 << 14);
        must(trtd_log_drain, records.data(), uint64_t{records.size()}, &length, &lost);
      }
    });
  }
  for (std::thread& one : all) one.join();
  for (uint64_t const handle : {builder, device, library}) must(trtd_close, handle);
  expect(trtd_live_handles() == 0, "handles are left");
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 6) return 2;
  Set const set{arguments[2], arguments[3], arguments[4], arguments[5]};
  std::string const what = arguments[1];
  try {
    if (trtd_abi_version() != TRTD_ABI_VERSION) return 2;
    if (what == "whole") whole(set);
    if (what == "pipes") pipes();
    if (what == "threads") threads(set);
    if (what == "failing" && count == 9) failing(set, arguments[6], arguments[7], arguments[8]);
    puts("fine");
    return 0;
  } catch (Stop const& stop) {
    printf("%d\t%d\t%d\t%s\n", stop.error.status, stop.error.origin, stop.error.code, stop.error.message);
    return what == "failing" ? 0 : 1;
  }
}
