#include "launch.h"

#include <cstring>

#include "base/dynamic.h"

namespace trtd {
namespace {

using namespace trtd_kernels;

const char PTX[] =
#include "kernels_ptx.inc"
    ;

const char* const NAMES[] = {"trtd_letterbox", "trtd_filter", "trtd_rank", "trtd_overlap", "trtd_keep"};

// CUresults that say that this driver cannot make code of this PTX: no kernel for this GPU, bad PTX, no compiler, PTX
// too new, compiling switched off.
constexpr int CANNOT_COMPILE[] = {209, 218, 221, 222, 223};

KernelDriver driverOf(const Cuda& cuda) {
  KernelDriver driver;
  const auto need = [&](const char* symbol, auto& target) {
    if (load(cuda.library, symbol, target)) return;
    fail(TRTD_SYMBOL_MISSING, "\"" + cuda.path + "\" has no " + symbol + ": it is no CUDA driver library or too old",
         TRTD_ORIGIN_SYSTEM);
  };
#define CUDA(member, symbol, parameters) need(symbol, driver.member);
#include "driver.inc"
#undef CUDA
  return driver;
}

void* compile(const Cuda& cuda, const KernelDriver& driver) {
  enum { INFO_LOG = 3, INFO_LOG_BYTES = 4, ERROR_LOG = 5, ERROR_LOG_BYTES = 6 };
  std::vector<char> info(4096), errors(4096);
  int options[] = {INFO_LOG, INFO_LOG_BYTES, ERROR_LOG, ERROR_LOG_BYTES};
  void* values[] = {info.data(), reinterpret_cast<void*>(info.size()), errors.data(),
                    reinterpret_cast<void*>(errors.size())};
  void* module = nullptr;
  const int result = driver.moduleLoadData(&module, PTX, 4, options, values);
  if (result == 0) return module;
  errors.back() = 0;
  for (const int code : CANNOT_COMPILE) {
    if (result != code) continue;
    fail(TRTD_UNSUPPORTED,
         "The driver cannot compile the kernels for this GPU (CUDA error " + std::to_string(result) + ")" +
             (errors[0] != 0 ? std::string(": ") + errors.data() : ""),
         TRTD_ORIGIN_CUDA, result);
  }
  cuda.check(result, "cuModuleLoadDataEx");
  return nullptr;
}

void requireInside(const Memory& memory, uint64_t offset, uint64_t bytes, uint64_t alignment,
                   const std::string& what) {
  if (offset > memory.bytes || bytes > memory.bytes - offset) {
    fail(TRTD_INVALID_ARGUMENT, what + " needs " + std::to_string(bytes) + " bytes at " + std::to_string(offset) +
                                    ", the memory has " + std::to_string(memory.bytes));
  }
  if ((memory.address + offset) % alignment != 0) {
    fail(TRTD_INVALID_ARGUMENT, what + " must begin at a multiple of " + std::to_string(alignment) + " bytes");
  }
}

void requireDevice(const Kernels& kernels, const std::shared_ptr<Device>& device) {
  require(kernels.device->index == device->index, "The memory or stream is on another device than the kernels");
}

}  // namespace

Kernels::Kernels(std::shared_ptr<Device> owner)
    : Object(KIND), device(std::move(owner)), driver(driverOf(*device->cuda)) {
  device->makeCurrent();
  module_ = compile(*device->cuda, driver);
  for (const char* name : NAMES) {
    void* function = nullptr;
    const int result = driver.moduleGetFunction(&function, module_, name);
    if (result != 0) {
      driver.moduleUnload(module_);
      device->cuda->check(result, "cuModuleGetFunction");
    }
    functions_.emplace_back(name, function);
  }
}

Kernels::~Kernels() {
  makeCurrentQuietly(device);
  driver.moduleUnload(module_);
}

void Kernels::launchWith(const Launch& what, void* params, CudaStream stream) const {
  for (const auto& [name, function] : functions_) {
    if (name != what.kernel) continue;
    void* list[] = {params};
    const int result = driver.launchKernel(function, what.x, what.y, what.z, THREADS, 1, 1, 0, stream, list, nullptr);
    device->cuda->check(result, "cuLaunchKernel");
    return;
  }
  fail(TRTD_INTERNAL, std::string("There is no kernel \"") + what.kernel + "\"");
}

Pinned::Pinned(std::shared_ptr<Kernels> owner, uint64_t size) : kernels_(std::move(owner)) {
  kernels_->device->makeCurrent();
  void* memory = nullptr;
  kernels_->device->cuda->check(kernels_->driver.memHostAlloc(&memory, size, 0), "cuMemHostAlloc");
  data_ = static_cast<unsigned char*>(memory);
  std::memset(data_, 0, size);
}

Pinned::~Pinned() {
  makeCurrentQuietly(kernels_->device);
  kernels_->driver.memFreeHost(data_);
}

Letterbox::Letterbox(std::shared_ptr<Kernels> owner, const trtd_letterbox_spec& wished)
    : Object(KIND),
      kernels(std::move(owner)),
      spec(wished),
      picture_bytes(checkLetterbox(spec)),
      table_(kernels->device, sizeof(Frame) * static_cast<uint64_t>(spec.frames_max)),
      staged_(kernels, sizeof(Frame) * static_cast<uint64_t>(spec.frames_max)),
      params_(letterboxParams(spec)) {
  params_.frames = table_.address;
}

void Letterbox::setFrames(const trtd_frame* frames, uint32_t count) {
  require(count >= 1 && count <= static_cast<uint32_t>(spec.frames_max), "There are too few or too many frames");
  std::vector<Frame> placed;
  std::vector<std::shared_ptr<Memory>> sources;
  for (uint32_t i = 0; i < count; ++i) {
    placed.push_back(frameOf(frames[i], spec));
    const auto memory = get<Memory>(frames[i].memory);
    requireDevice(*kernels, memory->device);
    const uint64_t bytes = 3 * static_cast<uint64_t>(frames[i].width) * static_cast<uint64_t>(frames[i].height);
    requireInside(*memory, frames[i].offset, bytes, 1, "Frame " + std::to_string(i));
    placed.back().pixels = memory->address + frames[i].offset;
    sources.push_back(memory);
  }
  placeFrames(placed);
  sources_ = std::move(sources);
}

void Letterbox::placeFrames(const std::vector<Frame>& frames) {
  std::memcpy(staged_.data(), frames.data(), sizeof(Frame) * frames.size());
  sources_.clear();
  count_ = static_cast<uint32_t>(frames.size());
}

void Letterbox::setTarget(std::shared_ptr<Memory> memory, uint64_t offset) {
  requireDevice(*kernels, memory->device);
  requireInside(*memory, offset, picture_bytes, spec.type == TRTD_TYPE_FLOAT16 ? 2 : 4, "One picture");
  target_ = std::move(memory);
  offset_ = offset;
  params_.out = target_->address + offset_;
}

void Letterbox::enqueue(CudaStream stream) const {
  require(count_ > 0 && target_ != nullptr, "The letterbox has no frames or no target");
  requireInside(*target_, offset_, picture_bytes * count_, 1, "The batch");
  const Cuda& cuda = *kernels->device->cuda;
  cuda.check(kernels->driver.memcpyHtoDAsync(table_.address, staged_.data(), sizeof(Frame) * count_, stream),
             "cuMemcpyHtoDAsync");
  kernels->launch(letterboxLaunch(spec, count_), params_, stream);
}

Detections::Detections(std::shared_ptr<Kernels> owner, const trtd_detect_spec& spec)
    : Object(KIND),
      kernels(std::move(owner)),
      plan(spec),
      memory_(kernels->device, plan.memory.bytes),
      staged_(kernels, plan.memory.list),
      results_(kernels, plan.memory.result_bytes * static_cast<uint64_t>(spec.images_max)),
      params_(plan.params(memory_.address)) {}

void Detections::setTensor(uint32_t index, std::shared_ptr<Memory> memory, uint64_t offset) {
  require(index < 4 && plan.tensorElements(index) > 0, "The layout has no tensor of this index");
  requireDevice(*kernels, memory->device);
  const uint64_t bytes = plan.tensorBytes(index, 1);
  requireInside(*memory, offset, bytes, bytes / plan.tensorElements(index), "Tensor " + std::to_string(index));
  tensors_[index] = std::move(memory);
  offsets_[index] = offset;
  params_.tensors[index].data = tensors_[index]->address + offset;
}

void Detections::setImages(uint32_t count, const Asked& asked) {
  require(count >= 1 && count <= static_cast<uint32_t>(plan.spec.images_max), "There are too few or too many pictures");
  std::vector<Question> questions;
  for (uint32_t i = 0; i < count; ++i) {
    questions.push_back(plan.question(i, asked.scores, asked.ious, asked.limits, asked.placements));
    require(asked.wanted != nullptr || questions.back().chosen == 0, "Chosen labels need \"wanted\"");
  }
  std::memcpy(staged_.data() + plan.memory.questions, questions.data(), sizeof(Question) * count);
  if (asked.wanted != nullptr) {
    std::memcpy(staged_.data() + plan.memory.wanted, asked.wanted, 4 * static_cast<size_t>(plan.wanted_words) * count);
  }
  count_ = count;
}

void Detections::enqueueWork(CudaStream stream) const {
  require(count_ > 0, "The detections have no pictures");
  for (uint32_t i = 0; i < 4; ++i) {
    if (plan.tensorElements(i) == 0) continue;
    require(tensors_[i] != nullptr, "A tensor has no memory");
    requireInside(*tensors_[i], offsets_[i], plan.tensorBytes(i, count_), 1, "Tensor " + std::to_string(i));
  }
  const Cuda& cuda = *kernels->device->cuda;
  // Questions, wanted labels, and zeros for the counters.
  cuda.check(kernels->driver.memcpyHtoDAsync(memory_.address, staged_.data(), plan.memory.list, stream),
             "cuMemcpyHtoDAsync");
  for (const Launch& launch : plan.launches(count_)) kernels->launch(launch, params_, stream);
}

void Detections::enqueueCopy(CudaStream stream) const {
  kernels->device->cuda->check(
      kernels->driver.memcpyDtoHAsync(results_.data(), memory_.address + plan.memory.results,
                                      plan.memory.result_bytes * count_, stream),
      "cuMemcpyDtoHAsync");
}

const unsigned char* Detections::result(uint32_t image) const {
  require(image < count_, "There is no picture of this index");
  return results_.data() + plan.memory.result_bytes * image;
}

void Detections::giveBoxes(uint32_t image, float* numbers, int32_t* labels, uint32_t capacity,
                           uint32_t* counts) const {
  require(counts != nullptr && (capacity == 0 || (numbers != nullptr && labels != nullptr)),
          "\"numbers\", \"labels\" and \"counts\" must not be NULL");
  const unsigned char* const from = result(image);
  ResultHead head;
  std::memcpy(&head, from, sizeof head);
  counts[0] = head.count;
  counts[1] = head.found;
  for (uint32_t i = 0; i < head.count && i < capacity; ++i) {
    Found found;
    std::memcpy(&found, from + sizeof head + i * sizeof found, sizeof found);
    std::memcpy(numbers + 5 * static_cast<size_t>(i), &found, 5 * sizeof(float));
    labels[i] = found.label;
  }
  if (head.count > capacity) {
    fail(TRTD_BUFFER_TOO_SMALL, std::to_string(head.count) + " boxes do not fit " + std::to_string(capacity));
  }
}

}  // namespace trtd

using namespace trtd;

extern "C" {

int32_t trtd_kernels_load(uint64_t device, uint64_t* kernels, trtd_error* error) {
  return guard(error, [&] {
    requireOut(kernels, "\"kernels\" must not be NULL");
    *kernels = publish(std::make_shared<Kernels>(get<Device>(device)));
  });
}

int32_t trtd_letterbox_create(uint64_t kernels, const trtd_letterbox_spec* spec, uint64_t* letterbox,
                              trtd_error* error) {
  return guard(error, [&] {
    requireOut(letterbox, "\"letterbox\" must not be NULL");
    require(spec != nullptr, "\"spec\" must not be NULL");
    *letterbox = publish(std::make_shared<Letterbox>(get<Kernels>(kernels), *spec));
  });
}

int32_t trtd_letterbox_set_frames(uint64_t letterbox, const trtd_frame* frames, uint32_t count, trtd_error* error) {
  return guard(error, [&] {
    require(frames != nullptr, "\"frames\" must not be NULL");
    Locked<Letterbox>(letterbox)->setFrames(frames, count);
  });
}

int32_t trtd_letterbox_set_target(uint64_t letterbox, uint64_t memory, uint64_t offset, trtd_error* error) {
  return guard(error, [&] { Locked<Letterbox>(letterbox)->setTarget(get<Memory>(memory), offset); });
}

int32_t trtd_letterbox_enqueue(uint64_t letterbox, uint64_t stream, trtd_error* error) {
  return guard(error, [&] {
    const Locked<Letterbox> target(letterbox);
    const Locked<Stream> queue(stream);
    requireDevice(*target->kernels, queue->device);
    queue->device->makeCurrent();
    target->enqueue(queue->stream);
  });
}

int32_t trtd_detections_create(uint64_t kernels, const trtd_detect_spec* spec, uint64_t* detections,
                               trtd_error* error) {
  return guard(error, [&] {
    requireOut(detections, "\"detections\" must not be NULL");
    require(spec != nullptr, "\"spec\" must not be NULL");
    *detections = publish(std::make_shared<Detections>(get<Kernels>(kernels), *spec));
  });
}

int32_t trtd_detections_set_tensor(uint64_t detections, uint32_t index, uint64_t memory, uint64_t offset,
                                   trtd_error* error) {
  return guard(error, [&] { Locked<Detections>(detections)->setTensor(index, get<Memory>(memory), offset); });
}

int32_t trtd_detections_set_images(uint64_t detections, uint32_t count, const float* scores, const float* ious,
                                   const int32_t* limits, const double* placements, const uint32_t* wanted,
                                   trtd_error* error) {
  return guard(error, [&] {
    require(scores != nullptr && ious != nullptr && limits != nullptr,
            "\"scores\", \"ious\" and \"limits\" must not be NULL");
    Locked<Detections>(detections)->setImages(count, {scores, ious, limits, placements, wanted});
  });
}

int32_t trtd_detections_enqueue(uint64_t detections, uint64_t stream, trtd_error* error) {
  return guard(error, [&] {
    const Locked<Detections> target(detections);
    const Locked<Stream> queue(stream);
    requireDevice(*target->kernels, queue->device);
    queue->device->makeCurrent();
    target->enqueue(queue->stream);
  });
}

int32_t trtd_detections_read(uint64_t detections, uint32_t image, float* numbers, int32_t* labels, uint32_t capacity,
                             uint32_t* counts, trtd_error* error) {
  return guard(error, [&] { Locked<Detections>(detections)->giveBoxes(image, numbers, labels, capacity, counts); });
}
}
