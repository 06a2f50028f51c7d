"""The trial of an image at a provider: request, boots, observers, recorder, result, replay."""
