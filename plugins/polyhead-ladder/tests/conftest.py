"""What the tests share."""

import pytest
import torch

# the kit's own assertions are to say what they compared
pytest.register_assert_rewrite("polyhead.testing")

# tiny tensors: threads would only wait for one another
torch.set_num_threads(1)
