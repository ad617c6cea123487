ARG CUDA=12.2.0
FROM nvidia/cuda:${CUDA}-cudnn8-runtime-ubuntu22.04
ENV CONDA_DIR=/opt/conda
ENV PATH=$CONDA_DIR/bin:$PATH LD_LIBRARY_PATH=/usr/local/cuda/lib64:${LD_LIBRARY_PATH}
COPY environment.yml /tmp/
RUN conda env create -f /tmp/environment.yml && conda clean -afy
SHELL ["conda", "run", "-n", "ml", "/bin/bash", "-c"]
RUN python -c "import torch; print(torch.cuda.is_available())"
ENTRYPOINT ["conda", "run", "--no-capture-output", "-n", "ml", "python", "serve.py"]
