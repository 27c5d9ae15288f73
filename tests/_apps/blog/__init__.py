"""Authors, articles and tags: the models that most ORM tests share."""
