"""Models of tf2onnx: Keras networks in TensorFlow's layout, so that Transpose nodes stand around the convolutions."""

import os

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="0", CUDA_VISIBLE_DEVICES="")

import keras
import onnx
import tensorflow as tf
import tf2onnx
from catalogue import Catalogue, Entry
from keras import layers

HEIGHT, WIDTH = 64, 96
CLASSES = 4
STRIDES = (8, 16, 32)

# What, opset, dynamic batch, input in NCHW, expected head.
EXPORTS = (
    ("detector", 9, True, True, "yolox_decoded"),
    ("detector", 11, False, True, "yolox_decoded"),
    ("detector", 13, True, True, "yolox_decoded"),
    ("detector", 15, True, False, None),
    ("detector", 18, False, True, "yolox_decoded"),
    ("attention", 13, True, False, None),
    ("attention", 17, True, False, None),
    ("control", 14, True, False, None),
)


def unit(x, filters: int, stride: int):
    x = layers.Conv2D(filters, 3, stride, "same", use_bias=False)(x)
    return layers.Activation("swish")(layers.BatchNormalization()(x))


class Decode(layers.Layer):
    """[N, H, W, 5 + C] -> [N, H * W, 5 + C] in pixels; the grid comes from the map's shape."""

    def __init__(self, stride: int, **kwargs):
        super().__init__(**kwargs)
        self.stride = stride

    def call(self, x):
        shape = tf.shape(x)
        rows, columns = tf.meshgrid(tf.range(shape[1]), tf.range(shape[2]), indexing="ij")
        grid = tf.cast(tf.stack([columns, rows], -1), tf.float32)[tf.newaxis]
        centre = (x[..., :2] + grid) * float(self.stride)
        size = tf.exp(tf.clip_by_value(x[..., 2:4], -4.0, 4.0)) * float(self.stride)
        joined = tf.concat([centre, size, tf.sigmoid(x[..., 4:])], -1)
        return tf.reshape(joined, [shape[0], shape[1] * shape[2], 5 + CLASSES])


def detector() -> keras.Model:
    x = inputs = keras.Input((HEIGHT, WIDTH, 3))
    x = unit(unit(x, 8, 2), 16, 2)
    outputs = []
    for stride in STRIDES:
        x = unit(x, 24, 2)
        y = layers.UpSampling2D(2)(layers.MaxPooling2D(2, 2, "same")(x)) if stride < 32 else x
        y = layers.Concatenate()([x, y]) if stride < 32 else y
        outputs.append(Decode(stride)(layers.Conv2D(5 + CLASSES, 1)(y)))
    return keras.Model(inputs, layers.Concatenate(axis=1)(outputs))


def attention() -> keras.Model:
    x = inputs = keras.Input((HEIGHT, WIDTH, 3))
    x = layers.DepthwiseConv2D(3, 2, "same")(unit(x, 16, 4))
    x = layers.Reshape((-1, 16))(x)
    x = layers.LayerNormalization()(x + layers.MultiHeadAttention(2, 8)(x, x))
    x = layers.Dense(16, "swish")(x)
    return keras.Model(inputs, layers.Dense(CLASSES)(layers.GlobalAveragePooling1D()(x)))


class Control(tf.Module):
    """A while loop and a condition, which become Loop and If."""

    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable(tf.random.stateless_normal([3, 3, 3, 8], [1, 2]) * 0.2)

    def __call__(self, x):
        y = tf.nn.conv2d(x, self.kernel, 2, "SAME")
        y = tf.cond(tf.shape(y)[1] > 8, lambda: y[:, 1:-1], lambda: y * 2.0)
        step, total = tf.constant(0), tf.zeros_like(y[:, 0])
        _, total = tf.while_loop(
            lambda step, _: step < tf.shape(y)[1],
            lambda step, total: (step + 1, total * 0.5 + y[:, step]),
            [step, total],
        )
        return total


def make(catalogue: Catalogue) -> None:
    for turn, (what, opset, dynamic, channels_first, head) in enumerate(EXPORTS):
        keras.utils.set_random_seed(turn)
        network = Control() if what == "control" else detector() if what == "detector" else attention()
        signature = tf.TensorSpec((None if dynamic else 1, HEIGHT, WIDTH, 3), tf.float32, name="images")

        @tf.function(input_signature=[signature])
        def run(images, network=network):
            return tf.identity(network(images), "output0")

        model, _ = tf2onnx.convert.from_function(
            run, [signature], opset=opset, inputs_as_nchw=["images"] if channels_first else None
        )
        layout = "NCHW" if channels_first else "NHWC"
        file = f"tensorflow_{what}_{opset}_{layout}_{'batch' if dynamic else 'static'}.onnx".lower()
        if head is not None:
            entry = model.metadata_props.add()
            entry.key, entry.value = "names", str(dict(enumerate(["cat", "dog", "hen", "cow"])))
        onnx.save(model, catalogue.path(file))
        axes = {} if not dynamic else {model.graph.input[0].type.tensor_type.shape.dim[0].dim_param: 2}
        axes.pop("", None)
        options = f"{what}, input {layout}, {'dynamic' if dynamic else 'static'} batch"
        version = f"{tf2onnx.__version__}, TensorFlow {tf.__version__}"
        catalogue.add(Entry(file, "tf2onnx", version, options, head, {}, None if dynamic else 1))
