#include "plan.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "base/errors.h"

namespace trtd {
namespace {

using namespace trtd_kernels;

constexpr int32_t INPUT_SIDE_MAX = 32768;
constexpr int32_t FRAME_SIDE_MAX = 65536;
constexpr uint64_t ALIGNMENT = 256;
// Blocks that share the tiles of overlaps: a few for each multiprocessor of the largest GPUs.
constexpr uint32_t OVERLAP_BLOCKS = 512;
// Blocks of the first kernel: as many as run at once on the largest GPUs.
constexpr uint32_t FILTER_BLOCKS = 1024;

void requireRange(const char* name, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return;
  fail(TRTD_INVALID_ARGUMENT, std::string("\"") + name + "\" must be " + std::to_string(least) + " to " +
                                  std::to_string(most) + ", current value is " + std::to_string(value));
}

void requireZeros(const int32_t (&reserved)[2]) {
  require(reserved[0] == 0 && reserved[1] == 0, "\"reserved\" must be 0");
}

uint32_t parts(uint64_t whole, uint64_t part) { return static_cast<uint32_t>((whole + part - 1) / part); }

bool isGiven(int32_t layout) {
  return layout == END_TO_END || layout == LABELS_BOXES_SCORES || layout == COUNT_BOXES_SCORES_LABELS;
}

bool hasObjects(int32_t layout) { return layout == OBJECTNESS || layout == OBJECTNESS_GRID; }

int32_t elementOf(int32_t type, bool integers) {
  if (type == TRTD_TYPE_FLOAT32) return F32;
  if (type == TRTD_TYPE_FLOAT16) return F16;
  if (integers && type == TRTD_TYPE_INT32) return I32;
  if (integers && type == TRTD_TYPE_INT64) return I64;
  fail(TRTD_INVALID_ARGUMENT, "A tensor has the type " + std::to_string(type) + ", which its layout does not have");
}

uint64_t elementBytes(int32_t element) { return element == I64 ? 8 : element == F16 ? 2 : 4; }

bool holdsIntegers(int32_t layout, uint32_t tensor) {
  if (layout == LABELS_BOXES_SCORES) return tensor == 0;
  return layout == COUNT_BOXES_SCORES_LABELS && (tensor == 0 || tensor == 3);
}

// Anchors of the grids, at most as many as the tensor has rows.
uint32_t gridAnchors(const trtd_detect_spec& spec) {
  uint64_t cells = 0;
  for (int32_t i = 0; i < spec.stride_count; ++i) {
    const auto across = [&](int32_t side) {
      return parts(static_cast<uint64_t>(side), static_cast<uint64_t>(spec.strides[i]));
    };
    cells += static_cast<uint64_t>(across(spec.width)) * across(spec.height);
  }
  return static_cast<uint32_t>(std::min<uint64_t>(cells, static_cast<uint64_t>(spec.rows)));
}

void checkShape(const trtd_detect_spec& spec) {
  requireRange("layout", spec.layout, CHANNELS_FIRST, COUNT_BOXES_SCORES_LABELS);
  requireRange("rows", spec.rows, 1, INT32_MAX);
  requireRange("columns", spec.columns, 1, INT32_MAX);
  requireRange("width", spec.width, 1, INPUT_SIDE_MAX);
  requireRange("height", spec.height, 1, INPUT_SIDE_MAX);
  // Elements are 32-bit, for the whole batch, of every tensor.
  requireRange("rows * columns", int64_t{spec.rows} * spec.columns, 1, INT32_MAX);
  if (isGiven(spec.layout)) {
    if (spec.layout == END_TO_END) requireRange("columns", spec.columns, 6, INT32_MAX);
    else requireRange("columns", spec.columns, 1, 1);
    return;
  }
  const bool holdsBoxes = spec.layout == CHANNELS_FIRST || spec.layout == ANCHORS_FIRST;
  const int32_t extra = hasObjects(spec.layout) ? 5 : holdsBoxes ? 4 : 0;
  const int32_t channels = spec.layout == CHANNELS_FIRST ? spec.rows : spec.columns;
  requireRange("classes", spec.classes, 1, INT32_MAX);
  requireRange(spec.layout == CHANNELS_FIRST ? "rows" : "columns", channels, int64_t{spec.classes} + extra,
               int64_t{spec.classes} + extra);
  if (spec.layout == OBJECTNESS_GRID) {
    requireRange("stride_count", spec.stride_count, 1, 4);
    for (int32_t i = 0; i < spec.stride_count; ++i) requireRange("strides", spec.strides[i], 1, INPUT_SIDE_MAX);
  }
}

}  // namespace

uint64_t checkLetterbox(const trtd_letterbox_spec& spec) {
  requireZeros(spec.reserved);
  requireRange("frames_max", spec.frames_max, 1, 256);
  requireRange("width", spec.width, 1, INPUT_SIDE_MAX);
  requireRange("height", spec.height, 1, INPUT_SIDE_MAX);
  require(spec.type == TRTD_TYPE_FLOAT32 || spec.type == TRTD_TYPE_FLOAT16,
          "\"type\" must be TRTD_TYPE_FLOAT32 or TRTD_TYPE_FLOAT16");
  require(spec.range == 1 || spec.range == 255, "\"range\" must be 1 or 255");
  requireRange("bgr", spec.bgr, 0, 1);
  const uint64_t pixels = static_cast<uint64_t>(spec.width) * static_cast<uint64_t>(spec.height);
  return 3 * pixels * (spec.type == TRTD_TYPE_FLOAT16 ? 2 : 4);
}

LetterboxParams letterboxParams(const trtd_letterbox_spec& spec) {
  LetterboxParams params{};
  params.width = spec.width;
  params.height = spec.height;
  params.half = spec.type == TRTD_TYPE_FLOAT16 ? 1 : 0;
  params.bgr = spec.bgr;
  params.unit = spec.range == 1 ? 1 : 0;
  return params;
}

Frame frameOf(const trtd_frame& frame, const trtd_letterbox_spec& spec) {
  requireZeros(frame.reserved);
  requireRange("width of a frame", frame.width, 1, FRAME_SIDE_MAX);
  requireRange("height of a frame", frame.height, 1, FRAME_SIDE_MAX);
  requireRange("scaled_width", frame.scaled_width, 1, spec.width);
  requireRange("scaled_height", frame.scaled_height, 1, spec.height);
  requireRange("left", frame.left, 0, spec.width - frame.scaled_width);
  requireRange("top", frame.top, 0, spec.height - frame.scaled_height);
  Frame placed{};
  placed.source_width = frame.width;
  placed.source_height = frame.height;
  placed.left = frame.left;
  placed.top = frame.top;
  placed.width = frame.scaled_width;
  placed.height = frame.scaled_height;
  // As OpenCV computes it: the inverse of the rounded scale.
  placed.step_x = 1 / (static_cast<double>(frame.scaled_width) / frame.width);
  placed.step_y = 1 / (static_cast<double>(frame.scaled_height) / frame.height);
  return placed;
}

Launch letterboxLaunch(const trtd_letterbox_spec& spec, uint32_t frames) {
  return {"trtd_letterbox", parts(static_cast<uint64_t>(spec.width), TILE_COLUMNS),
          parts(static_cast<uint64_t>(spec.height), TILE_ROWS), frames};
}

DetectPlan::DetectPlan(const trtd_detect_spec& wished) : spec(wished) {
  requireZeros(spec.reserved);
  checkShape(spec);
  requireRange("images_max", spec.images_max, 1, 32);
  requireRange("candidates_max", spec.candidates_max, 1, 5000);
  requireRange("boxes_max", spec.boxes_max, 1, spec.candidates_max);
  requireRange("labels", spec.labels, 0, 65536);
  requireRange("suppress", spec.suppress, 0, 1);
  requireRange("background", spec.background, -1, INT32_MAX);
  const int32_t flags = spec.box_flags;
  const int32_t known = spec.layout == ANCHORS_FIRST  ? TRTD_BOX_NORMALIZED
                        : spec.layout == END_TO_END   ? TRTD_BOX_NORMALIZED | TRTD_BOX_CENTER_SIZE
                        : spec.layout == BOXES_SCORES ? 2 * TRTD_BOX_OWN_ANCHORS - 2
                                                      : 0;
  require((flags & ~known) == 0, "\"box_flags\" has a bit that the layout does not have");
  require((flags & TRTD_BOX_OWN_ANCHORS) == 0 || (flags & TRTD_BOX_ANCHORS) != 0,
          "TRTD_BOX_OWN_ANCHORS needs TRTD_BOX_ANCHORS");
  const auto rows = static_cast<uint32_t>(spec.rows), columns = static_cast<uint32_t>(spec.columns);
  DetectParams& p = params_;
  p.layout = spec.layout;
  p.rows = rows;
  p.columns = columns;
  p.classes = isGiven(spec.layout) ? 1 : static_cast<uint32_t>(spec.classes);
  p.anchors = spec.layout == CHANNELS_FIRST ? columns : spec.layout == OBJECTNESS_GRID ? gridAnchors(spec) : rows;
  p.width = spec.width;
  p.height = spec.height;
  const bool normalized = spec.layout == LOGITS_BOXES || (flags & TRTD_BOX_NORMALIZED) != 0;
  p.unit_x = normalized ? spec.width : 1;
  p.unit_y = normalized ? spec.height : 1;
  p.stride_count = static_cast<uint32_t>(spec.stride_count);
  for (int i = 0; i < 4; ++i) p.strides[i] = static_cast<uint32_t>(spec.strides[i]);
  p.elements = isGiven(spec.layout) ? rows : spec.layout == ANCHORS_FIRST ? rows * columns : p.anchors * p.classes;
  p.ranked_max = static_cast<uint32_t>(spec.candidates_max);
  p.results_max = static_cast<uint32_t>(spec.boxes_max);
  p.suppress = static_cast<uint32_t>(spec.suppress);
  p.background = spec.layout == BOXES_SCORES ? static_cast<uint32_t>(spec.background) : ~0u;
  p.center_size = (flags & TRTD_BOX_CENTER_SIZE) != 0 ? 1 : 0;
  p.box_of_class = (flags & TRTD_BOX_OF_CLASS) != 0 ? 1 : 0;
  p.anchor_sets = (flags & TRTD_BOX_OWN_ANCHORS) != 0 ? 2 : (flags & TRTD_BOX_ANCHORS) != 0 ? 1 : 0;
  p.wanted_count = static_cast<uint32_t>(spec.labels);
  p.wanted_words = wanted_words = parts(p.wanted_count, 32);
  for (uint32_t i = 0; i < 4; ++i) {
    p.tensors[i].element = tensorElements(i) > 0 ? elementOf(spec.types[i], holdsIntegers(spec.layout, i)) : F32;
  }
  const uint64_t bands = parts(p.ranked_max, TILE);
  p.overlap_words = spec.suppress != 0 ? TILE * bands * (bands + 1) / 2 : 0;

  const auto images = static_cast<uint64_t>(spec.images_max);
  uint64_t end = 0;
  const auto take = [&](uint64_t bytes) {
    const uint64_t from = end;
    end += (bytes * images + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return from;
  };
  memory.questions = take(sizeof(Question));
  memory.wanted = take(4 * uint64_t{wanted_words});
  memory.counters = take(memory.counter_bytes = sizeof(Counters));
  memory.list = take(8 * uint64_t{LIST});
  memory.best = take(8 * uint64_t{p.ranked_max});
  memory.boxes = take(sizeof(Found) * uint64_t{p.ranked_max});
  memory.visible = take(p.ranked_max);
  memory.overlaps = take(8 * p.overlap_words);
  memory.results = take(memory.result_bytes = sizeof(ResultHead) + sizeof(Found) * uint64_t{p.results_max});
  memory.bytes = end;
}

uint64_t DetectPlan::tensorElements(uint32_t index) const {
  const auto rows = static_cast<uint64_t>(spec.rows), columns = static_cast<uint64_t>(spec.columns);
  const uint64_t boxes = (spec.box_flags & TRTD_BOX_OF_CLASS) != 0 ? rows * columns : rows;
  const uint64_t anchors = (spec.box_flags & TRTD_BOX_ANCHORS) != 0 ? rows : 0;
  const uint64_t sizes[][4] = {
      {rows * columns, 0, 0, 0},    {rows * columns, 0, 0, 0}, {rows * columns, 0, 0, 0},
      {rows * columns, 0, 0, 0},    {rows * columns, 0, 0, 0}, {4 * boxes, rows * columns, 4 * anchors, 0},
      {rows * columns, 4 * rows, 0, 0}, {rows, 4 * rows, rows, 0}, {1, 4 * rows, rows, rows},
  };
  return index < 4 ? sizes[spec.layout][index] : 0;
}

uint64_t DetectPlan::tensorBytes(uint32_t index, uint32_t images) const {
  if (index >= 4) return 0;
  const bool isShared = spec.layout == BOXES_SCORES && index == 2 && params_.anchor_sets == 1;
  return tensorElements(index) * (isShared ? 1 : images) * elementBytes(params_.tensors[index].element);
}

DetectParams DetectPlan::params(uint64_t base) const {
  DetectParams p = params_;
  p.questions = base + memory.questions;
  p.wanted = base + memory.wanted;
  p.counters = base + memory.counters;
  p.list = base + memory.list;
  p.best = base + memory.best;
  p.boxes = base + memory.boxes;
  p.visible = base + memory.visible;
  p.overlaps = base + memory.overlaps;
  p.results = base + memory.results;
  return p;
}

std::vector<Launch> DetectPlan::launches(uint32_t images) const {
  const bool objects = hasObjects(spec.layout);
  // A block has a price, so that many pictures get fewer each, which take turns.
  const uint32_t filters = std::min(objects ? parts(params_.anchors, THREADS) : parts(params_.elements, FILTERED),
                                    std::max(FILTER_BLOCKS / images, 1u));
  const uint32_t bands = parts(params_.ranked_max, TILE);
  std::vector<Launch> all = {{"trtd_filter", filters, images, 1},
                             {"trtd_rank", parts(params_.ranked_max, RANKED), images, 1}};
  if (spec.suppress != 0) all.push_back({"trtd_overlap", std::min(OVERLAP_BLOCKS, bands * (bands + 1) / 2), images, 1});
  all.push_back({"trtd_keep", 1, images, 1});
  return all;
}

Question DetectPlan::question(uint32_t image, const float* scores, const float* ious, const int32_t* limits,
                              const double* placements) const {
  Question q{};
  q.score = scores[image];
  q.iou = ious[image];
  require(!std::isnan(q.score) && !std::isnan(q.iou), "A threshold must be a number");
  const int32_t* const limit = limits + 3 * static_cast<size_t>(image);
  requireRange("most boxes", limit[0], 1, spec.boxes_max);
  requireRange("class-agnostic", limit[1], 0, 1);
  requireRange("labels are chosen", limit[2], 0, 1);
  q.max = static_cast<uint32_t>(limit[0]);
  q.agnostic = static_cast<uint32_t>(limit[1]);
  q.chosen = static_cast<uint32_t>(limit[2]);
  q.floor = q.score;
  if (spec.layout == LOGITS_BOXES) {
    // One less than the logit of the score: no rounding reaches that far.
    q.floor = q.score <= 0   ? -std::numeric_limits<float>::infinity()
              : q.score >= 1 ? 15.0f
                             : static_cast<float>(std::log(q.score / (1.0 - q.score)) - 1);
  }
  if (placements != nullptr) {
    const double* const place = placements + 6 * static_cast<size_t>(image);
    require(place[2] > 0 && place[3] > 0, "A scale must be above 0");
    q.placed = 1;
    q.left = place[0], q.top = place[1];
    q.scale_x = place[2], q.scale_y = place[3];
    q.source_width = place[4], q.source_height = place[5];
  }
  return q;
}

}  // namespace trtd
