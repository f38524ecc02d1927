"""Options of a user's own, and overrides that choose them and others."""

OWN = {
    "experiment/nested/both.yaml": """# @package _global_
defaults:
  - override /dataset: cos_sin_squared
  - override /model: small
forecast:
  context: ${forecast.horizon}
seed: 5
""",
    "experiment/odd.yaml": r"""# @package _global_
notes:
  texts: ["1e-3", "on", "1_000", "~", "null", "2020-01-01", "0x1f", " a ", "\u00e9\n", "a: b", "=", "${seed}", ""]
  values: [1e-3, true, null, 1_000, .inf, [], {}]
  home: ${oc.env:HOME}
  again: ${.home}/x
training:
  window: ${training.epochs}
""",
    "experiment/typed.yaml": """# @package _global_
notes:
  home: ${oc.env:HOME}
  again: ${.home}/x
  number: ${oc.decode:${oc.env:NUMBER,"7"}}
training:
  window: ${training.epochs}
""",
    "model/mine.yaml": """defaults:
  - tiny
hidden_sizes: ["${dataset.num_series}", 4]
""",
    "experiment/swept.yaml": """# @package _global_
defaults:
  - override /model: linear
  - override /hydra/launcher: basic
hydra:
  sweeper:
    params:
      seed: range(2)
      model.order: 3,5
""",
}
"""A user's own folder of options."""

POOL = (
    "model=tiny,mine,small",
    "model=linear,mine",
    "dataset=sine,cos_sin_squared,linear_noise",
    "optimizer=adam,sgd",
    "training=default,article",
    "experiment=nested/both,odd,article/sine",
    "experiment=glob(article/*)",
    "experiment=odd",
    "forecast.horizon=3,5,null",
    "forecast.context=${forecast.horizon}",
    "seed=range(2)",
    "++seed=8,9",
    "seed=${forecast.horizon}",
    "training.epochs=7,1e3",
    "training.window=null,7",
    "training.window=${training.epochs},9",
    "model.hidden_sizes=[3],[5,4]",
    "+model.note=${model.kind}",
    "+extra.text='a,b','it\\'s',\"x = y\",''",
    "+extra={a:{b:1}},{a:{b:2}}",
    "++dataset.width=7,[8]",
    "dataset.split=[6,1,0],null",
    "~training.patience",
    "~optimizer.weight_decay",
    "~experiment",
    "+optimizer@second=sgd,lbfgs",
    "training={epochs:3,window:5}",
    "optimizer.lr=1e-3,0.1",
    "optimizer.unknown=3",
)
"""Of all kinds that compositions may meet; the last is wrong."""
