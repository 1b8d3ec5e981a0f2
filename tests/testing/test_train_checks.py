from polyhead.train import TrainSettings

NAME = "test_training_lowers_the_loss"


def test_a_loss_that_rises_in_training_is_found(good_head, fails):
    class Broken(good_head):
        def loss(self, output, targets):
            loss = super().loss(output, targets)
            return 2 * loss.detach() - loss

    match = r"15 passes over the examples change the loss of Broken from \S+ to .* Look for a wrong"
    fails(Broken, NAME, match)


def test_an_encoder_that_training_changes_is_found(good_head, fails):
    class Broken(good_head):
        def forward(self, hidden):
            if self.training:
                hidden.word_embeddings.data[0] += 1
            return super().forward(hidden)

    fails(Broken, NAME, "training Broken changes the encoder's weights")


def test_training_that_fails_is_found(good_head, fails):
    class Broken(good_head):
        def loss(self, output, targets):
            return super().loss(output, targets) / (0 if output.requires_grad else 1)

    fails(Broken, NAME, "Broken cannot be trained on the examples. It raised TrainError: the loss")


def test_a_task_that_needs_longer_says_so(good_head, fails, check_head):
    slow = TrainSettings(epochs=1, lr=1e-6)
    match = r"1 passes over .*; a task that needs longer sets `training` in its test class"
    fails(good_head, NAME, match, training=slow)
    check_head(good_head, NAME, training=TrainSettings(epochs=5, lr=0.05))
