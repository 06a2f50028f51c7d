"""One image tried at one provider: request, boots, observers, recorder, result, replay."""
