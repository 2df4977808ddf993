#include <algorithm>
#include <chrono>
#include <cstring>

#include "run.h"

namespace trtd {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

// Tensors in host memory to tensors in host memory.
struct Runner final : Object {
  static constexpr Kind KIND = Kind::runner;
  struct Wish {
    std::string name;
    uint64_t bytes;
  };
  // The caller holds the context's lock.
  Runner(std::shared_ptr<Context> runs, std::shared_ptr<Device> where, const std::vector<Wish>& inputs,
         const std::vector<Wish>& outputs, int32_t flags, int32_t spinUs);
  ~Runner() override { makeCurrentQuietly(lane_.device); }

  void run(const trtd_host_tensor* inputs, trtd_host_tensor* outputs);
  trtd_pipeline_info facts() const { return holding_.facts(replay_); }

 private:
  struct Bound {  // a tensor, its memory, and its copy in host memory
    EngineTensor tensor;
    std::shared_ptr<Memory> memory;
    uint64_t staged;  // offset
    uint64_t bytes;   // of the present shape
  };

  void take(const std::vector<Wish>& wishes, int32_t mode, std::vector<Bound>& bound);
  void takeOthers();
  bool reshape(const trtd_host_tensor* inputs);
  void enqueueWhole() const;

  const std::shared_ptr<Context> context_;
  Lane lane_;
  Replay replay_;
  HostBuffer staged_;
  uint64_t stagedBytes_ = 0;
  std::vector<Bound> inputs_, outputs_, others_;
  std::vector<trtd_dims> shapes_;
  uint64_t seen_ = UINT64_MAX;
  Holding holding_;
};

Runner::Runner(std::shared_ptr<Context> runs, std::shared_ptr<Device> where, const std::vector<Wish>& inputs,
               const std::vector<Wish>& outputs, int32_t flags, int32_t spinUs)
    : Object(KIND),
      context_(std::move(runs)),
      lane_(std::move(where), spinUs),
      replay_(lane_, (flags & TRTD_PIPELINE_CUDA_GRAPH) != 0),
      staged_(lane_),
      shapes_(inputs.size()) {
  take(inputs, TRTD_MODE_INPUT, inputs_);
  take(outputs, TRTD_MODE_OUTPUT, outputs_);
  takeOthers();
  staged_.reserve(std::max<uint64_t>(stagedBytes_, 1));
  uint64_t device = 0;
  for (const auto* list : {&inputs_, &outputs_}) {
    for (const Bound& bound : *list) device += bound.memory->bytes;
  }
  const bool dynamic = !inputs_.empty() && inputs_[0].tensor.dims.count > 0 && inputs_[0].tensor.dims.size[0] < 0;
  const int64_t first = inputs_.empty() || inputs_[0].tensor.dims.count < 1 ? 0 : inputs_[0].tensor.dims.size[0];
  holding_.set(device, staged_.bytes(), dynamic ? 0 : static_cast<int32_t>(first));
}

void Runner::take(const std::vector<Wish>& wishes, int32_t mode, std::vector<Bound>& bound) {
  constexpr uint64_t ALIGNMENT = 256;
  const auto all = tensorsOf(*context_->engine);
  for (const Wish& wish : wishes) {
    const auto found = std::find_if(all.begin(), all.end(), [&](const EngineTensor& tensor) {
      return tensor.name == wish.name && tensor.mode == mode;
    });
    if (found == all.end()) {
      invalid("The engine has no " + std::string(mode == TRTD_MODE_INPUT ? "input" : "output") + " \"" + wish.name +
              "\"");
    }
    if (wish.bytes == 0) invalid("\"" + wish.name + "\" must have room for 1 byte or more");
    bound.push_back({*found, std::make_shared<Memory>(lane_.device, wish.bytes), stagedBytes_, 0});
    stagedBytes_ += (wish.bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  }
}

void Runner::takeOthers() {
  const auto has = [](const std::vector<Bound>& list, const std::string& name) {
    return std::any_of(list.begin(), list.end(), [&](const Bound& bound) { return bound.tensor.name == name; });
  };
  for (EngineTensor& tensor : tensorsOf(*context_->engine)) {
    if (has(inputs_, tensor.name) || has(outputs_, tensor.name)) continue;
    if (tensor.mode == TRTD_MODE_INPUT) invalid("The engine has one more input, \"" + tensor.name + "\"");
    others_.push_back({std::move(tensor), nullptr, 0, 0});
  }
}

// Sets shapes and addresses where they are not what they were; true when they were.
bool Runner::reshape(const trtd_host_tensor* inputs) {
  bool same = context_->changes == seen_;
  for (size_t i = 0; same && i < inputs_.size(); ++i) {
    same = std::memcmp(&shapes_[i], &inputs[i].dims, sizeof shapes_[i]) == 0;
  }
  if (same) return true;
  replay_.forget();
  seen_ = UINT64_MAX;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    context_->setShape(inputs_[i].tensor.name.c_str(), inputs[i].dims);
    context_->setAddress(inputs_[i].tensor.name.c_str(), inputs_[i].memory, 0);
    shapes_[i] = inputs[i].dims;
  }
  for (Bound& bound : outputs_) {
    bound.bytes = tensorBytes(bound.tensor.type, context_->shape(bound.tensor.name.c_str()));
    if (bound.bytes > bound.memory->bytes) {
      fail(TRTD_BUFFER_TOO_SMALL, "Output \"" + bound.tensor.name + "\" has " + std::to_string(bound.bytes) +
                                      " bytes, the runner room for " + std::to_string(bound.memory->bytes));
    }
    context_->setAddress(bound.tensor.name.c_str(), bound.memory, 0);
  }
  for (Bound& bound : others_) {
    const auto needed = static_cast<uint64_t>(context_->outputBytes(bound.tensor.name.c_str()));
    if (!bound.memory || bound.memory->bytes < needed) {
      bound.memory = std::make_shared<Memory>(lane_.device, std::max<uint64_t>(needed, 1));
    }
    context_->setAddress(bound.tensor.name.c_str(), bound.memory, 0);
  }
  seen_ = context_->changes;
  return false;
}

void Runner::enqueueWhole() const {
  for (const Bound& bound : inputs_) {
    if (bound.bytes > 0) lane_.upload(bound.memory->address, staged_.data() + bound.staged, bound.bytes);
  }
  context_->enqueue(lane_.stream());
  for (const Bound& bound : outputs_) {
    if (bound.bytes > 0) lane_.download(staged_.data() + bound.staged, bound.memory->address, bound.bytes);
  }
}

void Runner::run(const trtd_host_tensor* inputs, trtd_host_tensor* outputs) {
  for (size_t i = 0; i < inputs_.size(); ++i) {
    Bound& bound = inputs_[i];
    const trtd_host_tensor& given = inputs[i];
    const std::string name = "Input \"" + bound.tensor.name + "\"";
    require(given.dims.count >= 0 && given.dims.count <= 8, "A shape has 0 to 8 dimensions");
    for (int32_t k = 0; k < given.dims.count; ++k) {
      require(given.dims.size[k] >= 0 && given.dims.size[k] <= INT32_MAX, "A dimension must be 0 to 2147483647");
    }
    const uint64_t bytes = tensorBytes(bound.tensor.type, given.dims);
    if (given.bytes != bytes || given.data == 0) {
      invalid(name + " has " + std::to_string(given.bytes) + " bytes, its shape needs " + std::to_string(bytes));
    }
    if (bytes > bound.memory->bytes) {
      invalid(name + " has " + std::to_string(bytes) + " bytes, the runner room for " +
              std::to_string(bound.memory->bytes));
    }
    bound.bytes = bytes;
  }
  const std::lock_guard<std::mutex> alone(context_->mutex);
  lane_.device->makeCurrent();
  explained(lane_, [&] { reshape(inputs); });
  for (size_t i = 0; i < outputs_.size(); ++i) {
    if (outputs[i].bytes >= outputs_[i].bytes && outputs[i].data != 0) continue;
    fail(TRTD_BUFFER_TOO_SMALL, "Output \"" + outputs_[i].tensor.name + "\" has " + std::to_string(outputs_[i].bytes) +
                                    " bytes, there is room for " + std::to_string(outputs[i].bytes));
  }
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const void* const from = reinterpret_cast<const void*>(static_cast<uintptr_t>(inputs[i].data));
    std::memcpy(staged_.data() + inputs_[i].staged, from, inputs_[i].bytes);
  }
  try {
    explained(lane_, [&] { replay_.run(0, [&] { enqueueWhole(); }); });
  } catch (...) {
    lane_.settle();
    throw;
  }
  for (size_t i = 0; i < outputs_.size(); ++i) {
    void* const to = reinterpret_cast<void*>(static_cast<uintptr_t>(outputs[i].data));
    std::memcpy(to, staged_.data() + outputs_[i].staged, outputs_[i].bytes);
    outputs[i].bytes = outputs_[i].bytes;
    outputs[i].dims = context_->shape(outputs_[i].tensor.name.c_str());
  }
  holding_.addRun();
}

}  // namespace trtd

using namespace trtd;

extern "C" {

int32_t trtd_runner_create(uint64_t context, uint64_t device, const char* inputs, const uint64_t* input_bytes,
                           const char* outputs, const uint64_t* output_bytes, int32_t flags, int32_t spin_us,
                           uint64_t* runner, trtd_error* error) {
  return guard(error, [&] {
    requireOut(runner, "\"runner\" must not be NULL");
    const auto sized = [](const char* names, const uint64_t* bytes) {
      return names != nullptr && (*names == 0 || bytes != nullptr);
    };
    require(sized(inputs, input_bytes) && sized(outputs, output_bytes),
            "\"inputs\", \"input_bytes\", \"outputs\" and \"output_bytes\" must not be NULL");
    checkRunOptions(flags, spin_us);
    const auto wishes = [](const char* names, const uint64_t* bytes) {
      std::vector<Runner::Wish> list;
      for (std::string& name : linesOf(names)) list.push_back({std::move(name), bytes[list.size()]});
      return list;
    };
    const auto where = get<Device>(device);
    const Locked<Context> target(context);
    requireSameDevice(*target, *where);
    where->makeCurrent();
    *runner = publish(std::make_shared<Runner>(target.share(), where, wishes(inputs, input_bytes),
                                               wishes(outputs, output_bytes), flags, spin_us));
  });
}

int32_t trtd_runner_run(uint64_t runner, const trtd_host_tensor* inputs, trtd_host_tensor* outputs, double* ms,
                        trtd_error* error) {
  return guard(error, [&] {
    require(inputs != nullptr && outputs != nullptr, "\"inputs\" and \"outputs\" must not be NULL");
    const auto begin = Clock::now();
    Locked<Runner>(runner)->run(inputs, outputs);
    if (ms != nullptr) *ms = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
  });
}

int32_t trtd_runner_facts(uint64_t runner, trtd_pipeline_info* info, trtd_error* error) {
  return guard(error, [&] {
    require(info != nullptr, "\"info\" must not be NULL");
    *info = get<Runner>(runner)->facts();
  });
}
}
