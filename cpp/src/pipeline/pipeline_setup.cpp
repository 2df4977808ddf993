// Making a pipeline: its tensors, their memory, and whether they are what the kernels work on.
#include <algorithm>
#include <cstring>

#include "pipeline.h"

namespace trtd {
namespace {

// Of TRTD_LAYOUT_BOXES_SCORES: the tensor with the anchors.
constexpr uint32_t ANCHORS = 2;

void requireLinear(const EngineTensor& tensor) {
  if (tensor.format == 0) return;
  invalid("\"" + tensor.name + "\" has the format " + std::to_string(tensor.format) +
          ", the kernels work on linear tensors");
}

trtd_dims withBatch(trtd_dims dims, int64_t batch) {
  if (dims.size[0] < 0) dims.size[0] = batch;
  return dims;
}

}  // namespace

Pipeline::Pipeline(std::shared_ptr<Context> runs, std::shared_ptr<Kernels> owner, std::shared_ptr<JpegDecoder> decoder,
                   const PipelineSpec& spec)
    : Object(KIND),
      context_(std::move(runs)),
      kernels_(std::move(owner)),
      jpeg_(std::move(decoder)),
      lane_(kernels_->device, spec.spinUs),
      letterbox_(kernels_, spec.letterbox),
      detections_(kernels_, spec.detections),
      replay_(lane_, (spec.flags & TRTD_PIPELINE_CUDA_GRAPH) != 0),
      marks_(lane_),
      inner_(lane_),
      stages_(lane_, (spec.flags & TRTD_PIPELINE_CUDA_GRAPH) != 0 && lane_.driver.hasOuterEvents()),
      uploads_(lane_, spec.flags),
      pixels_(lane_) {
  const trtd_letterbox_spec& box = spec.letterbox;
  const trtd_detect_spec& detect = spec.detections;
  require(box.frames_max == detect.images_max, "\"frames_max\" and \"images_max\" must be the same");
  require(box.width == detect.width && box.height == detect.height,
          "Letterbox and detections must be of the same input size");
  findTensors(spec);
  explained(lane_, [&] { setShapes(largest_); });
  allocate();
  bindOutputs();
  note();
}

Pipeline::~Pipeline() {
  makeCurrentQuietly(lane_.device);
  if (started_) lane_.settle();
}

void Pipeline::findTensors(const PipelineSpec& spec) {
  for (EngineTensor& tensor : tensorsOf(*context_->engine)) tensors_.push_back({std::move(tensor), nullptr});
  const auto find = [&](const std::string& name, int32_t mode) {
    for (size_t i = 0; i < tensors_.size(); ++i) {
      if (tensors_[i].tensor.name == name && tensors_[i].tensor.mode == mode) return i;
    }
    invalid("The engine has no " + std::string(mode == TRTD_MODE_INPUT ? "input" : "output") + " \"" + name + "\"");
  };
  const trtd_letterbox_spec& box = spec.letterbox;
  input_ = find(spec.input, TRTD_MODE_INPUT);
  EngineTensor& input = tensors_[input_].tensor;
  const std::string name = "Input \"" + input.name + "\"";
  if (input.type != box.type) {
    invalid(name + " has the type " + std::to_string(input.type) + ", the letterbox " + std::to_string(box.type));
  }
  requireLinear(input);
  const int64_t wanted[] = {-1, 3, box.height, box.width};
  for (int32_t i = 1; i < 4; ++i) {
    if (input.dims.count != 4 || (input.dims.size[i] >= 0 && input.dims.size[i] != wanted[i])) {
      invalid(name + " is not [N, 3, " + std::to_string(box.height) + ", " + std::to_string(box.width) + "]");
    }
    dynamic_ = dynamic_ || input.dims.size[i] < 0;
    input.dims.size[i] = wanted[i];
  }
  const int64_t fixed = input.dims.size[0];
  dynamic_ = dynamic_ || fixed < 0;
  if (fixed >= 0 && fixed < box.frames_max) {
    invalid("The engine runs " + std::to_string(fixed) + " pictures, \"frames_max\" is " +
            std::to_string(box.frames_max));
  }
  if (fixed < 0) {
    const trtd_dims least = context_->library().callDims(context_->engine->native.get(), CudaEngine_getProfileShape,
                                                         input.name.c_str(), 0, int32_t{TRTD_SELECTOR_MIN});
    if (least.count > 0) least_ = std::max<int64_t>(least_, least.size[0]);
  }
  largest_ = fixed >= 0 ? fixed : std::max<int64_t>(box.frames_max, least_);
  if (spec.sizeInput != nullptr) {
    sizes_ = find(spec.sizeInput, TRTD_MODE_INPUT);
    const EngineTensor& sizes = tensors_[sizes_].tensor;
    const bool pairs = sizes.dims.count == 2 && sizes.dims.size[1] == 2 &&
                       (sizes.dims.size[0] < 0 || sizes.dims.size[0] == largest_);
    if (!pairs || (sizes.type != TRTD_TYPE_INT64 && sizes.type != TRTD_TYPE_INT32)) {
      invalid("Input \"" + sizes.name + "\" is not [N, 2] of 64-bit or 32-bit integers");
    }
    dynamic_ = dynamic_ || sizes.dims.size[0] < 0;
  }
  for (size_t i = 0; i < tensors_.size(); ++i) {
    if (tensors_[i].tensor.mode == TRTD_MODE_INPUT && i != input_ && i != sizes_) {
      invalid("The engine has one more input, \"" + tensors_[i].tensor.name + "\"");
    }
  }
  for (const std::string& output : linesOf(spec.outputs)) {
    outputs_.push_back(find(output, TRTD_MODE_OUTPUT));
    requireLinear(tensors_[outputs_.back()].tensor);
  }
}

void Pipeline::setShapes(int64_t batch) {
  batch_ = 0;
  const auto set = [&](const EngineTensor& tensor) {
    const trtd_dims dims = withBatch(tensor.dims, batch);
    context_->setShape(tensor.name.c_str(), dims);
  };
  if (dynamic_) {
    set(tensors_[input_].tensor);
    if (sizes_ != SIZE_MAX) set(tensors_[sizes_].tensor);
  }
  batch_ = batch;
}

void Pipeline::allocate() {
  for (size_t i = 0; i < tensors_.size(); ++i) {
    Bound& bound = tensors_[i];
    uint64_t bytes = 0;
    if (bound.tensor.mode == TRTD_MODE_INPUT) {
      bytes = tensorBytes(bound.tensor.type, withBatch(bound.tensor.dims, largest_));
    } else {
      explained(lane_, [&] { bytes = static_cast<uint64_t>(context_->outputBytes(bound.tensor.name.c_str())); });
    }
    bound.memory = std::make_shared<Memory>(lane_.device, std::max<uint64_t>(bytes, 1));
    if (i == sizes_) fillSizes(bound);
    else lane_.clear(bound.memory->address, bound.memory->bytes);
  }
  lane_.wait();
}

void Pipeline::fillSizes(Bound& sizes) {
  const trtd_letterbox_spec& box = letterbox_.spec;
  const auto fill = [&](auto* values) {
    for (int64_t i = 0; i < largest_; ++i) {
      values[2 * i] = box.width;
      values[2 * i + 1] = box.height;
    }
  };
  unsigned char* const room = uploads_.room(sizes.memory->bytes);
  if (sizes.tensor.type == TRTD_TYPE_INT64) fill(reinterpret_cast<int64_t*>(room));
  else fill(reinterpret_cast<int32_t*>(room));
  lane_.upload(sizes.memory->address, room, sizes.memory->bytes);
  lane_.wait();
}

void Pipeline::bindOutputs() {
  letterbox_.setTarget(tensors_[input_].memory, 0);
  const trtd_detect_spec& spec = detections_.plan.spec;
  size_t wanted = 0;
  while (wanted < 4 && detections_.plan.tensorElements(static_cast<uint32_t>(wanted)) > 0) ++wanted;
  const bool given = (spec.box_flags & TRTD_BOX_ANCHORS) != 0 && outputs_.size() == ANCHORS;
  if (outputs_.size() != wanted && !given) {
    invalid("The layout has " + std::to_string(wanted) + " tensors, " + std::to_string(outputs_.size()) +
            " outputs are named");
  }
  for (uint32_t i = 0; i < outputs_.size(); ++i) {
    const Bound& bound = tensors_[outputs_[i]];
    const std::string name = "Output \"" + bound.tensor.name + "\"";
    if (bound.tensor.type != spec.types[i]) {
      invalid(name + " has the type " + std::to_string(bound.tensor.type) + ", the layout " +
              std::to_string(spec.types[i]));
    }
    const uint64_t bytes = tensorBytes(bound.tensor.type, context_->shape(bound.tensor.name.c_str()));
    const uint64_t needed = detections_.plan.tensorBytes(i, static_cast<uint32_t>(largest_));
    if (bytes != needed || bound.memory->bytes < needed) {
      invalid(name + " has " + std::to_string(bytes) + " bytes for " + std::to_string(largest_) +
              " pictures, the layout " + std::to_string(needed));
    }
    detections_.setTensor(i, bound.memory, 0);
  }
  if (given) bindAnchors();
}

void Pipeline::bindAnchors() {
  const DetectPlan& plan = detections_.plan;
  require(plan.spec.types[ANCHORS] == TRTD_TYPE_FLOAT32, "Anchors that are given have the type TRTD_TYPE_FLOAT32");
  anchors_ = std::make_shared<Memory>(lane_.device, plan.tensorBytes(ANCHORS, static_cast<uint32_t>(largest_)));
  anchored_ = false;
  detections_.setTensor(ANCHORS, anchors_, 0);
}

void Pipeline::setAnchors(const float* values, uint64_t count) {
  require(anchors_ != nullptr, "The layout has no anchors, or the engine gives them");
  require(!started_, "A run was started and is not finished");
  const uint64_t room = anchors_->bytes / sizeof *values;
  if (count != room) {
    invalid(std::to_string(count) + " numbers are given for anchors, the layout has " + std::to_string(room));
  }
  lane_.device->makeCurrent();
  unsigned char* const pinned = uploads_.room(anchors_->bytes);
  std::memcpy(pinned, values, anchors_->bytes);
  try {
    lane_.upload(anchors_->address, pinned, anchors_->bytes);
    lane_.wait();
  } catch (...) {
    lane_.settle();
    throw;
  }
  anchored_ = true;
  note();
}

}  // namespace trtd
